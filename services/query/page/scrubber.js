/** The years along the right edge: where the page is, and the way to any month. */

import { shortMonth } from "./dates.js";
import { el } from "./dom.js";
import { GALLERY } from "./messages.js";

const LABEL_ROOM = 26;

export class Scrubber {
  #sections = [];
  #height = 1;
  #y = 0;
  #screen = 1;
  #room = 0;
  /** The section that screen readers were told of. */
  #told = null;
  #drag = false;

  /** `onGo(y)`: to a height of the gallery. */
  constructor(onGo) {
    this.onGo = onGo;
    this.thumb = el("span", { class: "scrub-thumb" });
    this.bubble = el("span", { class: "scrub-bubble", hidden: true });
    this.labels = el("span", { class: "scrub-labels", "aria-hidden": "true" });
    this.element = el(
      "div",
      {
        class: "scrubber",
        role: "slider",
        tabindex: 0,
        "aria-label": GALLERY.dates,
        "aria-orientation": "vertical",
        "aria-valuemin": 0,
        keydown: (event) => this.#key(event),
        pointerdown: (event) => this.#down(event),
        pointermove: (event) => this.#move(event),
        pointerup: () => this.#up(),
        pointercancel: () => this.#up(),
        pointerleave: () => !this.#drag && (this.bubble.hidden = true),
      },
      this.labels,
      this.thumb,
      this.bubble,
    );
    // To ask for its height on each frame would have the page laid out anew.
    new ResizeObserver(() => {
      this.#room = this.element.clientHeight;
      this.#label();
      this.at(this.#y, this.#screen);
    }).observe(this.element);
  }

  show(sections, height, sort) {
    this.#sections = sections;
    this.#told = null;
    this.#height = Math.max(1, height);
    this.element.hidden = sort === "name" || sections.length < 2;
    this.element.setAttribute("aria-valuemax", String(Math.max(0, sections.length - 1)));
    this.#label();
  }

  /** The gallery is scrolled to `y`, of which `screen` pixels are seen. */
  at(y, screen) {
    this.#y = y;
    this.#screen = screen;
    if (this.element.hidden || !this.#sections.length) return;
    const share = Math.min(1, Math.max(0, y / Math.max(1, this.#height - screen)));
    this.thumb.style.transform = `translateY(${(share * this.#room).toFixed(1)}px)`;
    const section = this.#sections[this.#indexAt(y)];
    if (section === this.#told) return;
    this.#told = section;
    this.element.setAttribute("aria-valuenow", String(this.#sections.indexOf(section)));
    this.element.setAttribute("aria-valuetext", nameOf(section));
  }

  /** A year where there is room for it. */
  #label() {
    const room = this.#room;
    const labels = [];
    let [lastY, lastYear] = [-Infinity, null];
    for (const { month, top } of this.#sections) {
      const y = (top / this.#height) * room;
      const year = month?.slice(0, 4) ?? "–";
      if (year === lastYear || y - lastY < LABEL_ROOM) continue;
      const label = el("span", {}, year);
      label.style.transform = `translateY(${y.toFixed(1)}px)`;
      labels.push(label);
      [lastY, lastYear] = [y, year];
    }
    this.labels.replaceChildren(...labels);
  }

  #down(event) {
    if (event.button !== 0) return;
    this.#drag = true;
    this.element.setPointerCapture(event.pointerId);
    this.element.classList.add("dragging");
    this.#go(event);
  }

  #move(event) {
    this.#tell(event);
    if (this.#drag) this.#go(event);
  }

  #up() {
    this.#drag = false;
    this.bubble.hidden = true;
    this.element.classList.remove("dragging");
  }

  #share(event) {
    const { top, height } = this.element.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientY - top) / height));
  }

  #go(event) {
    this.onGo(this.#share(event) * Math.max(0, this.#height - this.#screen));
  }

  #tell(event) {
    const share = this.#share(event);
    this.bubble.hidden = false;
    this.bubble.textContent = nameOf(this.#sections[this.#indexAt(share * this.#height)]);
    this.bubble.style.transform = `translateY(${(share * this.#room).toFixed(1)}px)`;
  }

  #key(event) {
    const at = this.#indexAt(this.#y + 1);
    const to = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      PageDown: at + 12,
      PageUp: at - 12,
      Home: 0,
      End: this.#sections.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.onGo(this.#sections[Math.min(this.#sections.length - 1, Math.max(0, to))].top);
  }

  /** The last section that begins above a height; tops ascend. */
  #indexAt(y) {
    let [low, high] = [0, this.#sections.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sections[middle].top <= y + 1) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

function nameOf(section) {
  if (!section) return "";
  return section.month === null ? GALLERY.undated : shortMonth(section.month);
}
