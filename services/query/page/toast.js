/** What was just done, in a line at the foot of the page, with the way back. */

import { el, fill, icon } from "./dom.js";
import { DONE } from "./messages.js";

const SHOWN_MS = 12_000;

export class Toast {
  #undo = null;
  #timer = 0;

  constructor(bar) {
    this.bar = bar;
    bar.addEventListener("pointerenter", () => clearTimeout(this.#timer));
    bar.addEventListener("pointerleave", () => this.#later());
  }

  /** `undo()`, where there is a way back, resolves when it is gone. `text` is there to be copied. */
  show(sentence, undo = null, text = null) {
    this.#undo = undo;
    // A dialog lies over everything else; what is said has to lie in it.
    const dialog = [...document.querySelectorAll("dialog[open]")].at(-1);
    (dialog ?? document.body).append(this.bar);
    fill(
      this.bar,
      el("span", {}, sentence),
      text && el("input", { type: "text", class: "copyable", readonly: true, value: text, "aria-label": sentence, focus: (event) => event.target.select() }),
      undo && el("button", { type: "button", class: "undo-button", click: () => this.undo() }, DONE.undo),
      el("button", { type: "button", class: "round", "aria-label": DONE.dismiss, click: () => this.hide() }, icon("close")),
    );
    this.bar.hidden = false;
    if (text) this.bar.querySelector("input").focus();
    this.#later();
  }

  /** Whether there was something to undo. */
  undo() {
    const undo = this.#undo;
    this.#undo = null;
    if (!undo) return false;
    this.hide();
    undo();
    return true;
  }

  hide() {
    clearTimeout(this.#timer);
    this.bar.hidden = true;
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.hide(), SHOWN_MS);
  }
}
