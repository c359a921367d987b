/** Asks once before something is done. */

import { el } from "./dom.js";
import { QUESTION } from "./messages_manage.js";

export class Question {
  constructor(dialog) {
    this.dialog = dialog;
  }

  /** Resolves to whether the user agrees; `action` is what the button says. */
  ask(title, sentences, action) {
    const form = el(
      "form",
      { method: "dialog" },
      el("h2", { id: "question-title" }, title),
      ...sentences.map((sentence) => el("p", {}, sentence)),
      el(
        "div",
        { class: "buttons" },
        el("button", { type: "submit", class: "quiet", value: "" }, QUESTION.no),
        el("button", { type: "submit", class: "submit", value: "yes" }, action),
      ),
    );
    this.dialog.replaceChildren(form);
    this.dialog.returnValue = "";
    this.dialog.showModal();
    return new Promise((resolve) => {
      this.dialog.addEventListener("close", () => resolve(this.dialog.returnValue === "yes"), {
        once: true,
      });
    });
  }
}
