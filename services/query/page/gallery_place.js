/** Where the page is within the gallery: it stays there as pictures come, and comes back there. */

import { HEAD, titleOf } from "./gallery_draw.js";

export class Place {
  constructor(canvas, sections, sort) {
    this.canvas = canvas;
    this.sections = sections;
    this.sort = sort;
  }

  /** How far down the page the gallery begins. */
  get above() {
    return this.canvas.getBoundingClientRect().top + scrollY;
  }

  /** The picture at the top of the screen and how far below it: {key, index, by}; null at the top. */
  anchor() {
    const y = scrollY - this.above + headerHeight();
    if (y <= 0) return null;
    const section = this.sections.at(y);
    const inner = y - section.top - headOf(section, this.sort);
    const { tiles } = this.sections.layoutOf(section);
    const index = Math.max(0, tiles.findIndex((tile) => tile.y + tile.height > inner));
    return { key: section.key, index, by: inner - (tiles[index]?.y ?? 0) };
  }

  /** Scrolls to an anchor, at once and when its pictures have come, while `isShown()`; else to `top`. */
  restore(anchor, top, isShown) {
    if (!anchor) return window.scrollTo(0, top ?? 0);
    const section = this.#sectionOf(anchor);
    if (!section) return;
    const go = () => {
      const tile = this.sections.layoutOf(section).tiles[anchor.index];
      const y = section.top + headOf(section, this.sort) + (tile?.y ?? 0) + anchor.by;
      window.scrollTo(0, this.above + y - headerHeight());
    };
    go();
    this.sections.reach(section, ({ images }) => images.length > anchor.index).then(() => isShown() && go());
  }

  /** What is at the top of the screen stays there, whatever `change()` does above it. */
  keep(change) {
    const anchor = this.sections.width && this.sections.list.length && scrollY > 0 ? this.anchor() : null;
    const before = anchor && this.#topOf(anchor);
    change();
    this.canvas.style.height = `${this.sections.height}px`;
    const after = anchor && this.#topOf(anchor);
    if (before !== null && after !== null && Math.abs(after - before) > 0.5) window.scrollBy(0, after - before);
  }

  #topOf(anchor) {
    const section = this.#sectionOf(anchor);
    if (!section) return null;
    return section.top + (section.images.length ? (this.sections.layoutOf(section).tiles[anchor.index]?.y ?? 0) : 0);
  }

  #sectionOf({ key }) {
    return this.sections.list.find((one) => one.key === key);
  }
}

export function headOf(section, sort) {
  return titleOf(section, sort) ? HEAD : 0;
}

export function headerHeight() {
  return document.querySelector(".masthead").offsetHeight;
}
