/** The parts of a search as chips in the search bar: each with its sign, its crop, its way out. */

import { el, icon } from "./dom.js";
import { PARTS } from "./messages_search.js";
import { partPicture } from "./part_picture.js";

export class Chips {
  #drawn = "";

  /** `onSign(part)`, `onCrop(part)` and `onRemove(part)` are called with the chip's part. */
  constructor(list, api, sources, { onSign, onCrop, onRemove }) {
    this.list = list;
    this.api = api;
    this.sources = sources;
    this.onSign = onSign;
    this.onCrop = onCrop;
    this.onRemove = onRemove;
  }

  render({ query }) {
    const names = query.parts.map((part) => this.sources.nameOf(part));
    const now = JSON.stringify([query.parts, names]);
    if (now === this.#drawn) return;
    this.#drawn = now;
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    const place = focused && [...this.list.querySelectorAll("button")].indexOf(focused);
    this.list.replaceChildren(...query.parts.map((part, at) => this.#chip(part, names[at])));
    this.list.hidden = query.parts.length === 0;
    // A chip that was pressed is drawn anew: the keyboard stays where it was.
    if (focused) (this.list.querySelectorAll("button")[place] ?? focused).focus();
  }

  #chip(part, name) {
    const against = part.weight < 0;
    return el(
      "li",
      { class: against ? "part against" : "part" },
      el(
        "button",
        {
          type: "button",
          class: "sign",
          click: () => this.onSign(part),
          "aria-label": against ? PARTS.include(name) : PARTS.exclude(name),
          title: against ? PARTS.excluded : PARTS.included,
        },
        icon(against ? "minus" : "plus"),
      ),
      part.kind !== "term" && partPicture(part, name, this.api, this.sources),
      el("span", { class: "part-name" }, name),
      part.kind !== "term" &&
        el(
          "button",
          {
            type: "button",
            class: part.crop ? "crop cropped" : "crop",
            click: () => this.onCrop(part),
            "aria-label": part.crop ? PARTS.changeCrop(name) : PARTS.crop(name),
            title: PARTS.cropTitle,
          },
          icon("crop"),
        ),
      el(
        "button",
        {
          type: "button",
          class: "remove",
          click: () => this.onRemove(part),
          "aria-label": PARTS.remove(name),
        },
        icon("close"),
      ),
    );
  }
}
