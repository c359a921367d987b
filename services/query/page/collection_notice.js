/** What is wrong with the services, and what to do. */

import { el } from "./dom.js";

export class Notice {
  #shown = "";

  constructor(box, onRetry) {
    this.box = box;
    this.onRetry = onRetry;
  }

  render({ errors }) {
    const error = errors.query ?? errors.indexer;
    const told = error ? `${error.title} ${error.message}` : "";
    // Drawn only when it changed: an alert that is drawn anew is read out anew.
    if (told === this.#shown) return;
    this.#shown = told;
    this.box.hidden = !error;
    if (!error) return this.box.replaceChildren();
    this.box.replaceChildren(
      el("h2", {}, titleOf(errors, error)),
      el("p", {}, error.message),
      el("button", { type: "button", class: "quiet", click: this.onRetry }, "Try again"),
    );
  }
}

function titleOf({ query }, error) {
  return !query && error.status === 503 ? "The indexer can't be reached" : error.title;
}
