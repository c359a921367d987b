/** The part of the gallery that is near the screen, as elements. */

import { el, icon } from "./dom.js";
import { dayName, monthName } from "./dates.js";
import { galleryTile } from "./gallery_tile.js";
import { FAILED, GALLERY } from "./messages.js";

export const HEAD = 56;
/** Elements of tiles that have left, kept for the next. */
const MOST_SPARE = 80;

/** The elements of a section; tiles come and go as the page moves. */
export class SectionDrawing {
  #tiles = new Map();
  #days = new Map();
  #list;
  #head;
  #note = null;
  #layout = null;

  /** `spare`: elements of tiles that have left, which all sections share. */
  constructor(section, { title, query, thumbnails, place, spare, onRetry }) {
    this.section = section;
    this.query = query;
    this.thumbnails = thumbnails;
    this.place = place;
    this.spare = spare;
    this.onRetry = onRetry;
    this.#head = title && el("h2", { class: "month" }, title);
    this.#list = el("ul", { class: "tiles", "aria-label": title ?? GALLERY.label });
    this.element = el("section", { class: "month-section" }, this.#head, this.#list);
  }

  get headHeight() {
    return this.#head ? HEAD : 0;
  }

  /** Draws what lies between two heights of the page's gallery. */
  draw(layout, from, to) {
    const { section } = this;
    this.element.style.transform = `translateY(${section.top}px)`;
    this.element.style.height = `${section.height}px`;
    this.#list.style.height = `${section.height - this.headHeight}px`;
    if (layout !== this.#layout) this.#relay(layout);
    const [upper, lower] = [from - section.top - this.headHeight, to - section.top - this.headHeight];
    const wanted = new Set();
    for (const day of layout.days) {
      if (day.y > lower || day.y + 40 < upper) continue;
      wanted.add(day);
      if (!this.#days.has(day)) this.#addDay(day);
    }
    for (const [day, element] of this.#days) if (!wanted.has(day)) this.#dropDay(day, element);
    const near = new Set();
    for (let at = this.#firstNear(layout.tiles, upper); at < layout.tiles.length; at++) {
      const tile = layout.tiles[at];
      if (tile.y > lower) break;
      const image = section.images[at];
      near.add(image.id);
      if (!this.#tiles.has(image.id)) this.#addTile(image, at, tile);
    }
    for (const [id, one] of this.#tiles)
      // The keyboard is on it: it stays, wherever it is.
      if (!near.has(id) && !one.element.contains(document.activeElement)) this.#drop(id, one);
    this.#drawNote(layout);
  }

  tile(id) {
    return this.#tiles.get(id)?.element ?? null;
  }

  /** Draws a tile though it may be off the screen, for the focus to go to. */
  need(index) {
    const image = this.section.images[index];
    const tile = this.#layout?.tiles[index];
    if (image && tile && !this.#tiles.has(image.id)) this.#addTile(image, index, tile);
    return image ? this.tile(image.id) : null;
  }

  /** The images whose tiles are drawn. */
  *drawn() {
    for (const { element } of this.#tiles.values()) yield element;
  }

  /** Draws a picture anew, as its tags are others. */
  renew(id) {
    const one = this.#tiles.get(id);
    if (one) this.#drop(id, one);
  }

  remove() {
    for (const [id, one] of this.#tiles) this.#drop(id, one);
    this.element.remove();
  }

  #relay(layout) {
    this.#layout = layout;
    for (const [day, element] of this.#days) this.#dropDay(day, element);
    const places = new Map(this.section.images.map((image, at) => [image.id, at]));
    for (const [id, one] of this.#tiles) {
      const at = places.get(id);
      if (at === undefined) this.#drop(id, one);
      else this.#put(one, at, layout.tiles[at]);
    }
  }

  #put(one, index, { x, y, width, height }) {
    one.index = index;
    const { style } = one.element;
    style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    style.width = `${width.toFixed(1)}px`;
    style.height = `${height.toFixed(1)}px`;
  }

  /** In the order of the pictures, which is that of what is read out. */
  #addTile(image, index, tile) {
    const element = galleryTile(image, this.query, this.place(this.section, index), this.spare.pop());
    const one = { element, index };
    this.#put(one, index, tile);
    let next = null;
    for (const other of this.#tiles.values())
      if (other.index > index && (!next || other.index < next.index)) next = other;
    this.#list.insertBefore(element, next?.element ?? null);
    this.#tiles.set(image.id, one);
    this.thumbnails.add(element.querySelector("img"), image.id);
  }

  #drop(id, { element }) {
    this.thumbnails.drop(element.querySelector("img"));
    element.remove();
    if (this.spare.length < MOST_SPARE) this.spare.push(element);
    this.#tiles.delete(id);
  }

  #addDay(day) {
    const name = dayName(day.key);
    const element = el(
      "h3",
      { class: "day" },
      el(
        "button",
        { type: "button", class: "day-select", tabindex: -1, "aria-label": GALLERY.selectDay(name), "data-day": `${day.first}-${day.end}` },
        el("span", { class: "day-check" }, icon("check")),
        name,
      ),
    );
    element.style.transform = `translate(${day.x.toFixed(1)}px, ${day.y.toFixed(1)}px)`;
    element.style.width = `${day.width.toFixed(1)}px`;
    this.element.append(element);
    this.#days.set(day, element);
  }

  #dropDay(day, element) {
    element.remove();
    this.#days.delete(day);
  }

  /** What stands where pictures aren't known yet. */
  #drawNote(layout) {
    const { section } = this;
    const kind = section.state === "failed" ? "failed" : section.missing ? "waiting" : null;
    if (this.#note?.dataset.kind !== (kind ?? undefined)) {
      this.#note?.remove();
      this.#note = kind && this.#noteOf(kind);
      if (this.#note) this.element.append(this.#note);
    }
    if (!this.#note) return;
    this.#note.style.top = `${this.headHeight + layout.known}px`;
    this.#note.style.height = `${Math.max(80, layout.height - layout.known)}px`;
  }

  #noteOf(kind) {
    if (kind === "waiting") return el("div", { class: "waiting", "data-kind": kind, "aria-hidden": "true" });
    return el(
      "div",
      { class: "failed-month", "data-kind": kind, role: "alert" },
      el("p", {}, GALLERY.failedMonth),
      el("button", { type: "button", class: "quiet small", click: () => this.onRetry(this.section) }, FAILED.retry),
    );
  }

  /** Days that lie side by side are a row each, so that tops ascend. */
  #firstNear(tiles, y) {
    let [low, high] = [0, tiles.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tiles[middle].y + tiles[middle].height < y) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The heading of a section, or null: of a month's parts, the first one has it. */
export function titleOf({ month, part }, sort) {
  if (sort === "name" || part > 0) return null;
  return month === null ? GALLERY.undated : monthName(month);
}
