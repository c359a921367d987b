/** The pictures of the gallery by month: which are known, which are being asked for, how high each is. */

import { estimate, layoutOf, targetOf } from "./gallery_layout.js";

const PAGE = 500;
/** At most so many records are kept; months far from the screen are asked for again. */
const KEPT = 30_000;

export class Section {
  images = [];
  state = "unknown"; // unknown | loading | ready | failed
  error = null;
  layout = null;
  top = 0;
  height = 0;
  used = 0;

  constructor(part) {
    Object.assign(this, part);
  }

  get missing() {
    return Math.max(0, this.count - this.images.length);
  }
}

export class Sections {
  list = [];
  total = 0;
  #tops = [];
  #clock = 0;
  #asked = new Map();
  #measure = { width: 0, target: 1, dayOf: null };

  /** `pageOf(section, offset, limit, signal)` resolves to its next images; `onChange(section)`. */
  constructor(pageOf, { headHeight, onChange }) {
    this.pageOf = pageOf;
    this.headHeight = headHeight;
    this.onChange = onChange;
  }

  /** Shows these sections; those that are known already keep their pictures if their number stands. */
  set(sections, total) {
    const before = new Map(this.list.map((one) => [one.key, one]));
    this.stop();
    this.list = sections.map((part) => {
      const known = before.get(part.key);
      if (known?.count !== part.count) return new Section(part);
      known.skip = part.skip;
      return known;
    });
    this.total = total;
    this.#layOut();
  }

  /** `dayOf(image)`: the key of its day, or null where days have no headings. */
  resize(width, dayOf) {
    this.#measure = { width, dayOf, target: targetOf(width, this.total) };
    for (const section of this.list) section.layout = null;
    this.#layOut();
  }

  get width() {
    return this.#measure.width;
  }

  get target() {
    return this.#measure.target;
  }

  get height() {
    const last = this.list.at(-1);
    return last ? last.top + last.height : 0;
  }

  /** The sections that lie between two heights. */
  between(from, to) {
    const found = [];
    for (let at = Math.max(0, this.#indexAt(from)); at < this.list.length; at++) {
      if (this.list[at].top >= to) break;
      found.push(this.list[at]);
    }
    return found;
  }

  at(y) {
    return this.list[Math.max(0, this.#indexAt(y))] ?? null;
  }

  /** How many pictures come before a section. */
  before(section) {
    let sum = 0;
    for (const one of this.list) {
      if (one === section) break;
      sum += one.count;
    }
    return sum;
  }

  /** Asks for what a section lacks; again and again until `enough(section)`. */
  async need(section, enough) {
    section.used = ++this.#clock;
    if (section.state === "failed" || !section.missing || enough(section)) return;
    if (this.#asked.has(section)) return;
    const stop = new AbortController();
    const one = { stop };
    this.#asked.set(section, one);
    one.done = this.#fetch(section, enough, one);
    return one.done;
  }

  /** Asks for what a section lacks, and waits for it, whoever asked first. */
  async reach(section, enough) {
    while (section.missing && !enough(section) && section.state !== "failed") {
      const asked = this.#asked.get(section);
      await (asked ? asked.done : this.need(section, enough));
      if (!this.list.includes(section)) return;
    }
  }

  async #fetch(section, enough, one) {
    const { stop } = one;
    try {
      while (section.missing && !enough(section)) {
        section.state = "loading";
        const limit = Math.min(PAGE, section.missing);
        const images = await this.pageOf(section, section.images.length, limit, stop.signal);
        if (stop.signal.aborted) return;
        this.#take(section, images, limit);
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      section.state = "failed";
      section.error = error;
      this.onChange(section);
    } finally {
      if (this.#asked.get(section) === one) this.#asked.delete(section);
      if (section.state === "loading") section.state = section.images.length ? "ready" : "unknown";
    }
  }

  /** Ends the calls for sections other than these. */
  only(wanted) {
    for (const [section, one] of this.#asked)
      if (!wanted.has(section)) {
        one.stop.abort();
        this.#asked.delete(section);
      }
  }

  stop() {
    this.only(new Set());
  }

  retry(section) {
    section.state = "unknown";
    section.error = null;
    this.onChange(section);
  }

  find(id) {
    for (const section of this.list) {
      const index = section.images.findIndex((image) => image.id === id);
      if (index >= 0) return { section, index };
    }
    return null;
  }

  /** Takes pictures out, as they are deleted. */
  remove(ids) {
    for (const section of this.list) {
      const left = section.images.filter(({ id }) => !ids.has(id));
      const gone = section.images.length - left.length;
      if (!gone) continue;
      section.images = left;
      section.count -= gone;
      this.total -= gone;
      section.layout = null;
    }
    this.list = this.list.filter(({ count }) => count > 0);
    this.#layOut();
  }

  layoutOf(section) {
    section.layout ??= layoutOf(section, this.#measure);
    return section.layout;
  }

  #take(section, images, limit) {
    section.images.push(...images);
    section.state = "ready";
    // The collection has changed since it was counted: what is missing is gone.
    if (images.length < limit) section.count = section.images.length;
    section.layout = null;
    this.#forget(section);
    this.#layOut();
    this.onChange(section);
  }

  #forget(kept) {
    let sum = this.list.reduce((all, { images }) => all + images.length, 0);
    if (sum <= KEPT) return;
    for (const section of [...this.list].sort((a, b) => a.used - b.used)) {
      if (sum <= KEPT || section === kept || this.#asked.has(section)) continue;
      sum -= section.images.length;
      Object.assign(section, { images: [], state: "unknown", layout: null });
    }
  }

  #layOut() {
    if (!this.#measure.width) return;
    let top = 0;
    this.#tops = [];
    for (const section of this.list) {
      section.top = top;
      // A month whose records were let go is as high as it was, unless the page's width changed.
      const inner = section.images.length
        ? this.layoutOf(section).height
        : estimate(section, this.#measure);
      section.height = this.headHeight(section) + inner;
      this.#tops.push(top);
      top += section.height;
    }
  }

  #indexAt(y) {
    let [low, high] = [0, this.#tops.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#tops[middle] <= y) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
