/** Why a hit was found: heat maps over its picture and that of the search, and a sentence. */

import { told } from "./browse_states.js";
import { el, fill } from "./dom.js";
import { LARGE } from "./messages.js";
import { Why } from "./why.js";

export class HitReasons {
  #hit = null;
  #parts = [];
  /** Of the shown hit: {why, figure, other, words}; `why` is the button, where there is a reason. */
  #elements = {};

  constructor(api, sources) {
    this.sources = sources;
    this.why = new Why(api, sources);
  }

  /** The hit that is shown by now, of a search, and the elements that it's drawn with. */
  of(hit, query, elements) {
    this.#hit = hit;
    this.#parts = Why.partsOf(query);
    this.#elements = elements;
  }

  stop() {
    this.why.stop();
  }

  toggle() {
    const { why, words } = this.#elements;
    const on = why.getAttribute("aria-pressed") !== "true";
    why.setAttribute("aria-pressed", String(on));
    if (on) return this.#explain(this.#parts[0]);
    this.why.stop();
    this.#clear();
    words.replaceChildren();
  }

  #clear() {
    const { figure, other } = this.#elements;
    figure.querySelector(".heat")?.remove();
    other.hidden = true;
    other.replaceChildren();
  }

  async #explain(part) {
    const { figure, other, words } = this.#elements;
    words.replaceChildren(el("p", {}, LARGE.comparing));
    try {
      const found = await this.why.explain(this.#hit, part);
      this.#clear();
      figure.append(found.heat);
      if (found.other) {
        const url = URL.createObjectURL(found.other);
        const img = el("img", { src: url, alt: LARGE.searchPicture, class: "here" });
        img.addEventListener("load", () => URL.revokeObjectURL(url));
        framed(other, img).append(found.otherHeat ?? "");
        other.hidden = false;
      }
      fill(words, el("p", {}, found.sentence), this.#others(part));
    } catch (error) {
      if (error.name === "AbortError") return;
      words.replaceChildren(el("div", { class: "error" }, ...told(error)));
    }
  }

  /** The other parts of the search, each of which has its own reason. */
  #others(current) {
    if (this.#parts.length < 2) return null;
    return el(
      "div",
      { class: "tags", role: "group", "aria-label": LARGE.compareWith },
      ...this.#parts.map((part) =>
        el(
          "button",
          {
            type: "button",
            class: "chip",
            "aria-pressed": String(part === current),
            click: () => this.#explain(part),
          },
          this.sources.nameOf(part),
        ),
      ),
    );
  }
}

/** Puts a picture into a figure that takes its shape, once that is known. */
export function framed(figure, img, ratio = null) {
  const shape = (value) => figure.style.setProperty("--ratio", value);
  if (ratio) shape(ratio);
  img.addEventListener("load", () => shape(img.naturalWidth / img.naturalHeight));
  figure.append(img);
  return figure;
}
