/** Asks for the key of a service that is locked. */

import { el } from "./dom.js";

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
        wrong ? "Wrong key" : "This collection is locked",
      ),
      el(
        "p",
        { id: "key-words" },
        "Enter its key. It is kept only until you close this tab.",
      ),
      el("label", { for: "key-input" }, "Key"),
      input,
      el(
        "div",
        { class: "buttons" },
        el(
          "button",
          { type: "button", class: "quiet", click: () => this.dialog.close("") },
          "Not now",
        ),
        el("button", { type: "submit", class: "submit" }, "Unlock"),
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
