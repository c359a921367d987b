/** Keys that work wherever the page is, and the help that names them. */

import { el, icon } from "./dom.js";
import { HELP } from "./messages.js";

export class Shortcuts {
  /** `actions`: what each key does; it gets the id of the picture that has the focus, or null. */
  constructor(dialog, actions) {
    this.dialog = dialog;
    this.actions = actions;
    document.addEventListener("keydown", (event) => this.#key(event));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  help() {
    this.dialog.replaceChildren(
      el(
        "header",
        { class: "dialog-head" },
        el("h2", { id: "help-title" }, HELP.title),
        el("button", { type: "button", class: "round", "aria-label": HELP.close, click: () => this.dialog.close() }, icon("close")),
      ),
      el(
        "dl",
        { class: "keys" },
        ...HELP.keys.map(([key, words]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, words))),
      ),
    );
    if (!this.dialog.open) this.dialog.showModal();
  }

  #key(event) {
    if (event.defaultPrevented || event.altKey || isMeantElsewhere(event.target)) return;
    const modal = document.querySelector("dialog[open]:not(#hit)");
    if (modal && event.key !== "?") return;
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const name = command ? { z: "undo", a: "all" }[key] : NAMES[key];
    if (!name || (event.shiftKey && name !== "help")) return;
    if (name === "help") {
      event.preventDefault();
      return this.help();
    }
    const id = event.target.closest?.("[data-id]")?.dataset.id ?? null;
    if (this.actions[name]?.(id, event) !== false) event.preventDefault();
  }
}

const NAMES = {
  "/": "search",
  "?": "help",
  x: "select",
  f: "favourite",
  u: "undo",
  Delete: "remove",
  Escape: "escape",
};

/** Whether something is typed there, or, in the editor of tags, done to a tag. */
function isMeantElsewhere(target) {
  return Boolean(
    target.closest?.("input:not([type=checkbox], [type=range]), textarea, select, [contenteditable], .tag-editor"),
  );
}
