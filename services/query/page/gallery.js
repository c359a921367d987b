/**
 * The collection to look through: months of pictures, of which only those near the screen are asked
 * for and drawn, so that a hundred thousand scroll as a hundred do.
 */

import { HEAD, SectionDrawing, titleOf } from "./gallery_draw.js";
import { el, fill } from "./dom.js";
import { Sections } from "./gallery_sections.js";
import { emptyState, failedState, waitingState } from "./browse_states.js";
import { EVERY, viewFilter } from "./gallery_query.js";
import { GallerySource, dayIn } from "./gallery_source.js";
import { neighbours, reached } from "./gallery_keys.js";
import { Place, headOf, headerHeight } from "./gallery_place.js";
import { between, distance, firstInSight, markChosen } from "./gallery_tiles.js";
import { Scrubber } from "./scrubber.js";

/** How far beyond the screen pictures are drawn, and months are asked for, in screens. */
const AHEAD = 0.9;
const ASK_AHEAD = 1.5;
const ROVE_MS = 120;

export class Gallery {
  #search = null;
  #sections = null;
  #place = null;
  #drawn = new Map();
  #spare = [];
  #asked = 0;
  #focused = null;
  /** Pictures are asked for down to this height. */
  #until = 0;
  #roving = 0;
  #running = new AbortController();

  /** `actions`: `onEmpty()` gives the element for a collection without a picture; `onTotal(number)`. */
  constructor(board, { browse, thumbnails, selection, actions }) {
    this.board = board;
    this.source = new GallerySource(browse);
    this.thumbnails = thumbnails;
    this.selection = selection;
    this.actions = actions;
    this.canvas = el("div", { class: "gallery", keydown: (event) => this.#key(event) });
    this.scrubber = new Scrubber((y) => window.scrollTo(0, this.#place.above + y));
    this.resized = new ResizeObserver(() => this.#resize());
    this.scrolled = () => this.#soon();
    selection.subscribe(() => this.#mark());
  }

  get shown() {
    return this.#search !== null;
  }

  /** Shows what a step of the history asks for: what it held before, else from the service. */
  async show(search) {
    if (search === this.#search) return;
    this.hide();
    this.#search = search;
    this.#running = new AbortController();
    this.selection.scope(this);
    window.addEventListener("scroll", this.scrolled, { passive: true });
    if (search.browsed) {
      this.#sections = search.browsed;
      this.#place = new Place(this.canvas, this.#sections, search.sort);
      this.#attach();
      window.scrollTo(0, search.top);
      return this.refresh();
    }
    fill(this.board, waitingState());
    await this.#load(search);
  }

  hide() {
    if (!this.#search) return;
    this.#running.abort();
    this.#sections?.stop();
    this.#search = null;
    this.#sections = this.#place = null;
    this.#focused = null;
    window.removeEventListener("scroll", this.scrolled);
    this.resized.disconnect();
    clearTimeout(this.#roving);
    cancelAnimationFrame(this.#asked);
    this.#asked = 0;
    this.#clear();
    this.canvas.remove();
    this.scrubber.element.remove();
  }

  /** Asks how many there are by now; months whose number stands keep their pictures. */
  async refresh() {
    const { signal } = this.#running;
    const search = this.#search;
    try {
      const counted = await this.source.counted(search, signal);
      if (signal.aborted) return;
      this.#place.keep(() => this.#sections.set(counted.sections, counted.total));
      this.actions.onTotal(counted.total);
      if (counted.total === 0) return this.#empty();
      // It gave way to a sentence where there was no picture left.
      if (!this.canvas.isConnected) this.#attach();
      this.#renewDrawings();
    } catch {
      // What is shown was there a moment ago.
    }
  }

  async #load(search) {
    const { signal } = this.#running;
    try {
      const counted = await this.source.counted(search, signal);
      if (signal.aborted) return;
      this.#sections = new Sections((...given) => this.source.page(search, ...given), {
        headHeight: (section) => headOf(section, search.sort),
        onChange: () => this.#changed(),
      });
      search.browsed = this.#sections;
      this.#place = new Place(this.canvas, this.#sections, search.sort);
      this.actions.onTotal(counted.total);
      if (counted.total === 0) return this.#empty();
      this.#sections.set(counted.sections, counted.total);
      this.#attach();
      this.#place.restore(search.anchor, search.top, () => search === this.#search);
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      fill(
        this.board,
        failedState(error, () => {
          fill(this.board, waitingState());
          this.#load(search);
        }),
      );
    }
  }

  /** The picture with its neighbours, where it's known here. */
  around(id) {
    const found = this.#sections?.find(id);
    if (found) this.#lookedAt(found);
    return found ? neighbours(found, this.#sections) : null;
  }

  /** The picture that is open stays in sight below, and its neighbours are asked for. */
  #lookedAt({ section, index }) {
    if (index + 30 > section.images.length) this.#sections.need(section, ({ missing }) => !missing);
  }

  image(id) {
    const { section, index } = this.#sections?.find(id) ?? {};
    return section?.images[index] ?? null;
  }

  /** The ids that are known between two pictures, both included, in the order shown. */
  range(from, to) {
    return between(this.#sections.list.flatMap(({ images }) => images.map(({ id }) => id)), from, to);
  }

  /** The filter that all pictures of the view meet, and how many they are. */
  async everything() {
    return { filter: viewFilter(this.#search.query) ?? EVERY, total: this.#sections.total };
  }

  /** Asks for everything anew: any picture may be another by now. */
  reload() {
    const search = this.#search;
    if (!search) return;
    search.anchor = this.anchor();
    search.browsed = null;
    this.hide();
    return this.show(search);
  }

  /** Every picture of the view, up to `most`. */
  all(most) {
    return this.source.all(this.#search, most);
  }

  daysOf(element, day) {
    const section = [...this.#drawn].find(([, one]) => one.element.contains(element))?.[0];
    const [first, end] = day.split("-").map(Number);
    return section ? section.images.slice(first, end) : [];
  }

  removed(ids) {
    if (!this.#sections) return;
    // Some may be of months that were never loaded: those are counted anew.
    const known = [...ids].every((id) => this.#sections.find(id));
    this.#place.keep(() => this.#sections.remove(ids));
    if (!known) this.refresh();
    this.#renewDrawings();
    if (this.#sections.total === 0) this.#empty();
    this.actions.onTotal(this.#sections.total);
  }

  /** What lies above became higher or lower. */
  moved() {
    if (this.shown) this.#soon();
  }

  /** Draws pictures anew whose tags changed. */
  retagged(ids) {
    for (const one of this.#drawn.values()) for (const id of ids) one.renew(id);
    this.#draw();
    this.#mark();
  }

  focus(id) {
    const found = this.#sections?.find(id);
    if (!found) return;
    const { section, index } = found;
    const tile = this.#sections.layoutOf(section).tiles[index];
    const y = this.#place.above + section.top + headOf(section, this.#search.sort) + tile.y;
    const clear = headerHeight() + HEAD;
    if (y < scrollY + clear) window.scrollTo(0, y - clear - 8);
    else if (y + tile.height > scrollY + innerHeight - 60) window.scrollTo(0, y + tile.height - innerHeight + 60);
    this.#draw();
    const element = this.#drawn.get(section)?.need(index);
    this.#rove(id);
    element?.querySelector("a").focus({ preventScroll: true });
  }

  /** The picture at the top of the screen and how far below it: what a later load comes back to. */
  anchor() {
    return this.#sections?.list.length ? this.#place.anchor() : null;
  }

  #attach() {
    fill(this.board, this.canvas, this.scrubber.element);
    this.resized.observe(this.canvas);
    this.#resize();
  }

  #clear() {
    for (const one of this.#drawn.values()) one.remove();
    this.#drawn.clear();
    this.canvas.replaceChildren();
  }

  #empty() {
    this.#clear();
    fill(this.board, this.#search.query.view === "photos" && !viewFilter(this.#search.query) ? this.actions.onEmpty() : emptyState(this.#search.query.view));
  }

  #resize() {
    const width = this.canvas.clientWidth;
    if (!this.#sections || !width || width === this.#sections.width) return;
    const dayOf = dayIn(this.#search.sort);
    this.#place.keep(() => this.#sections.resize(width, dayOf));
    this.#renewDrawings();
  }

  #changed() {
    if (!this.#sections) return;
    this.#renewDrawings();
    this.actions.onKnown();
  }

  #renewDrawings() {
    this.canvas.style.height = `${this.#sections.height}px`;
    this.scrubber.show(this.#sections.list, this.#sections.height, this.#search.sort);
    this.#draw();
  }

  #soon() {
    this.#asked ||= requestAnimationFrame(() => {
      this.#asked = 0;
      this.thumbnails.moved(scrollY);
      this.#draw();
    });
  }

  #draw() {
    if (!this.#sections?.width) return;
    // Read before anything is drawn: later it would have the page laid out anew.
    const [y, screen] = [scrollY - this.#place.above, innerHeight];
    const [from, to] = [y - AHEAD * screen, y + (1 + AHEAD) * screen];
    this.#until = y + (1 + ASK_AHEAD) * screen;
    const near = new Set(this.#sections.between(from, to));
    for (const [section, one] of this.#drawn)
      if (!near.has(section)) {
        one.remove();
        this.#drawn.delete(section);
      }
    for (const section of near) this.#drawingOf(section).draw(this.#sections.layoutOf(section), from, to);
    this.#ask(y, screen);
    this.scrubber.at(y, screen);
    if (this.selection.size) this.#mark();
    clearTimeout(this.#roving);
    this.#roving = setTimeout(() => this.shown && this.#rove(), ROVE_MS);
  }

  #drawingOf(section) {
    let one = this.#drawn.get(section);
    if (one) return one;
    one = new SectionDrawing(section, {
      title: titleOf(section, this.#search.sort),
      query: this.#search.query,
      thumbnails: this.thumbnails,
      spare: this.#spare,
      place: (within, index) => ({ number: this.#sections.before(within) + index + 1, of: this.#sections.total }),
      onRetry: (failed) => {
        this.#sections.retry(failed);
        this.#draw();
      },
    });
    this.#drawn.set(section, one);
    const next = [...this.#drawn.keys()].filter(({ top }) => top > section.top).sort((a, b) => a.top - b.top)[0];
    this.canvas.insertBefore(one.element, next ? this.#drawn.get(next).element : null);
    return one;
  }

  /** Asks for the months near the screen, the one that is looked at first. */
  #ask(y, screen) {
    const wanted = this.#sections.between(y - ASK_AHEAD * screen, this.#until);
    this.#sections.only(new Set(wanted));
    const middle = y + screen / 2;
    wanted.sort((a, b) => distance(a, middle) - distance(b, middle));
    for (const section of wanted)
      this.#sections.need(section, () => section.top + HEAD + this.#sections.layoutOf(section).known > this.#until);
  }

  /** One picture can be tabbed to: the one that had the focus, else the first in sight. */
  #rove(id = null) {
    if (id) this.#focused = id;
    const tiles = [...this.#drawn.values()].flatMap((one) => [...one.drawn()]);
    const chosen = tiles.find(({ dataset }) => dataset.id === this.#focused) ?? firstInSight(this.#drawn, this.#sections, scrollY - this.#place.above);
    for (const tile of tiles) {
      const wanted = tile === chosen ? 0 : -1;
      const link = tile.firstElementChild;
      if (link.tabIndex !== wanted) link.tabIndex = wanted;
    }
  }

  #mark() {
    if (!this.#search) return;
    this.board.classList.toggle("choosing", this.selection.size > 0);
    for (const one of this.#drawn.values()) markChosen(one.drawn(), this.selection);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const id = event.target.closest(".tile")?.dataset.id;
    const found = id && this.#sections.find(id);
    if (!found) return;
    const next = reached(event.key, found, this.#sections);
    if (!next) return;
    event.preventDefault();
    if (event.shiftKey) this.selection.extend(next.id);
    this.focus(next.id);
  }
}
