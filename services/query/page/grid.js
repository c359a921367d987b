/**
 * The grid of hits. Only the rows near the screen are in the document, so that ten thousand hits
 * weigh no more than a hundred.
 */

import { el } from "./dom.js";
import { rowsOf, shapeOf } from "./rows.js";

const GAP = 14;
const CAPTION = 50;
const BETWEEN = 18;
/** How far beyond the screen rows are drawn, in screens. */
const AHEAD = 1;

export class Grid {
  #hits = [];
  #rows = [];
  #tiles = new Map();
  #width = 0;
  #whole = false;
  #asked = 0;
  #column = null;

  /** `tileOf(hit)` makes a tile, `onNearEnd()` is called when the last rows come near. */
  constructor(tileOf, onNearEnd, { caption = CAPTION, gap = GAP, between = BETWEEN } = {}) {
    this.caption = caption;
    this.gap = gap;
    this.between = between;
    this.tileOf = tileOf;
    this.onNearEnd = onNearEnd;
    this.list = el("ol", { class: "hits", keydown: (event) => this.#key(event) });
    this.resized = new ResizeObserver(() => this.#resize());
    this.scrolled = () => this.#soon();
  }

  /** Shows these hits; `more`: others may follow. Known ones stay where they are. */
  show(hits, more) {
    const known = this.#hits.every((hit, at) => hits[at] === hit);
    this.#hits = hits.slice();
    this.#whole = more;
    this.#layOut(known ? this.#rows.length : 0);
  }

  attach() {
    this.resized.observe(this.list);
    window.addEventListener("scroll", this.scrolled, { passive: true });
  }

  detach() {
    this.resized.disconnect();
    window.removeEventListener("scroll", this.scrolled);
    cancelAnimationFrame(this.#asked);
    this.#asked = 0;
    this.list.remove();
  }

  /** Makes the tiles of these hits anew. */
  renew(ids) {
    for (const [hit, tile] of this.#tiles) if (ids.has(hit.id)) this.#drop(hit, tile);
    this.#draw();
  }

  /** A hit of the first row in sight, and where its row begins on the screen: {id, edge}; null at the top. */
  anchor() {
    const row = scrollY > 0 ? this.#rows.find((one) => this.#edge(one) + one.height + this.caption > 0) : null;
    return row ? { id: this.#hits[row.first].id, edge: this.#edge(row) } : null;
  }

  /** Scrolls to an anchor, whose hits may be in other rows by now; tells whether it is there. */
  restore({ id, edge }) {
    const index = this.#hits.findIndex((hit) => hit.id === id);
    const row = index < 0 ? null : this.#rows.find(({ end }) => end > index);
    if (row) window.scrollBy(0, this.#edge(row) - edge);
    return Boolean(row);
  }

  /** Brings a hit to the screen and puts the focus on it. */
  focus(index) {
    const row = this.#rows.find(({ first, end }) => index >= first && index < end);
    if (!row) return;
    const top = this.list.getBoundingClientRect().top + row.top;
    const height = row.height + this.caption;
    if (top < 0 || top + height > innerHeight)
      window.scrollBy(0, top < 0 ? top - 20 : top + height - innerHeight + 20);
    this.#draw();
    this.#tiles.get(this.#hits[index])?.querySelector("a, button").focus({ preventScroll: true });
  }

  #resize() {
    if (this.list.clientWidth === this.#width) return;
    const anchor = this.#rows.find((row) => this.#edge(row) >= 0);
    const offset = anchor ? this.#edge(anchor) : 0;
    this.#layOut(0);
    const now = anchor && this.#rows.find(({ end }) => end > anchor.first);
    // What was at the top of the screen stays there.
    if (now && scrollY > 0 && offset < innerHeight) window.scrollBy(0, this.#edge(now) - offset);
  }

  #edge(row) {
    return this.list.getBoundingClientRect().top + row.top;
  }

  #layOut(kept) {
    this.#width = this.list.clientWidth;
    if (!this.#width) return;
    this.#rows.length = kept;
    const last = this.#rows.at(-1);
    const added = rowsOf(
      this.#hits.map(({ ratio }) => ratio),
      {
        start: last ? last.end : 0,
        width: this.#width,
        target: this.#width < 560 ? 150 : 210,
        gap: this.gap,
        whole: this.#whole,
      },
    );
    let top = last ? last.top + last.height + this.caption + this.between : 0;
    for (const row of added) {
      this.#rows.push({ ...row, top });
      top += row.height + this.caption + this.between;
    }
    this.list.style.height = `${Math.max(0, top - this.between)}px`;
    if (!kept) for (const [hit, tile] of this.#tiles) this.#drop(hit, tile);
    this.#draw();
  }

  #soon() {
    this.#asked ||= requestAnimationFrame(() => {
      this.#asked = 0;
      this.#draw();
    });
  }

  #draw() {
    const above = this.list.getBoundingClientRect().top;
    const from = -above - AHEAD * innerHeight;
    const to = -above + (1 + AHEAD) * innerHeight;
    const wanted = new Set();
    for (let at = this.#at(from); at < this.#rows.length && this.#rows[at].top < to; at++)
      this.#drawRow(this.#rows[at], wanted);
    for (const [hit, tile] of this.#tiles)
      // The keyboard is on it: it stays, wherever it is.
      if (!wanted.has(hit) && !tile.contains(document.activeElement)) this.#drop(hit, tile);
    if (this.#whole && this.list.offsetHeight + above < 2.5 * innerHeight) this.onNearEnd();
  }

  #drawRow(row, wanted) {
    let left = 0;
    for (let index = row.first; index < row.end; index++) {
      const hit = this.#hits[index];
      const width = shapeOf(hit.ratio) * row.height;
      wanted.add(hit);
      if (!this.#tiles.has(hit)) this.#insert(hit, index);
      const { style } = this.#tiles.get(hit);
      style.transform = `translate(${left.toFixed(2)}px, ${row.top.toFixed(2)}px)`;
      style.width = `${width.toFixed(2)}px`;
      style.setProperty("--height", `${row.height.toFixed(2)}px`);
      left += width + this.gap;
    }
  }

  /** In the order of the hits, which is that of the tab key and of what is read out. */
  #insert(hit, index) {
    const tile = this.tileOf(hit);
    tile.setAttribute("aria-posinset", index + 1);
    tile.setAttribute("aria-setsize", this.#whole ? -1 : this.#hits.length);
    tile.dataset.index = index;
    const next = [...this.list.children].find((other) => Number(other.dataset.index) > index);
    this.list.insertBefore(tile, next ?? null);
    this.#tiles.set(hit, tile);
  }

  #drop(hit, tile) {
    tile.remove();
    // Else its pixels are kept for as long as there is memory.
    tile.querySelector("img").removeAttribute("src");
    this.#tiles.delete(hit);
  }

  /** The first row that ends below `y`. */
  #at(y) {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { top, height } = this.#rows[middle];
      if (top + height + this.caption < y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #key(event) {
    const tile = event.target.closest("li[data-index]");
    if (!tile || event.altKey || event.ctrlKey || event.metaKey) return;
    const index = Number(tile.dataset.index);
    const wanted = this.#reached(event.key, index);
    if (wanted === undefined) return;
    event.preventDefault();
    this.focus(Math.min(this.#hits.length - 1, Math.max(0, wanted)));
  }

  #reached(key, index) {
    if (key === "ArrowRight") return index + 1;
    if (key === "ArrowLeft") return index - 1;
    if (key === "Home") return 0;
    const at = this.#rows.findIndex(({ first, end }) => index >= first && index < end);
    const row = this.#rows[at + { ArrowDown: 1, ArrowUp: -1 }[key]];
    if (!row) return undefined;
    // Several steps up or down keep to one column.
    if (this.#column?.index !== index) this.#column = { index, x: this.#middles(this.#rows[at])[index - this.#rows[at].first] };
    const { x } = this.#column;
    const middles = this.#middles(row);
    const off = middles.map((middle) => Math.abs(middle - x));
    const reached = row.first + off.indexOf(Math.min(...off));
    this.#column = { index: reached, x };
    return reached;
  }

  /** The middles of a row's tiles, from the left. */
  #middles({ first, end, height }) {
    let left = 0;
    return this.#hits.slice(first, end).map(({ ratio }) => {
      const width = shapeOf(ratio) * height;
      left += width + this.gap;
      return left - this.gap - width / 2;
    });
  }
}
