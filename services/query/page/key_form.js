/** Asks for the key of a service that is locked. */

import { el } from "./dom.js";
import { KEY } from "./messages.js";

export class KeyForm {
  constructor(dialog) {
    this.dialog = dialog;
  }

  /** Resolves to the key, or to null when the question is dismissed. */
  ask(wrong) {
    const input = el("input", {
      id: "key-input",
      type: "password",
      required: true,
      autocomplete: "current-password",
      "aria-describedby": "key-words",
    });
    const form = el(
      "form",
      { method: "dialog" },
      el(
        "h2",
        { id: "key-title" },
        wrong ? KEY.wrong : KEY.locked,
      ),
      el(
        "p",
        { id: "key-words" },
        KEY.words,
      ),
      el("label", { for: "key-input" }, KEY.field),
      input,
      el(
        "div",
        { class: "buttons" },
        el(
          "button",
          { type: "button", class: "quiet", click: () => this.dialog.close("") },
          KEY.later,
        ),
        el("button", { type: "submit", class: "submit" }, KEY.unlock),
      ),
    );
    this.dialog.replaceChildren(form);
    this.dialog.returnValue = "";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.dialog.close(input.value.trim());
    });
    this.dialog.showModal();
    return new Promise((resolve) => {
      this.dialog.addEventListener("close", () => resolve(this.dialog.returnValue || null), {
        once: true,
      });
    });
  }
}
