/** What is wrong with the services, and what to do. */

import { told } from "./browse_states.js";
import { el } from "./dom.js";
import { FAILED } from "./messages.js";
import { NOTICE } from "./messages_manage.js";

export class Notice {
  #shown = "";

  constructor(box, onRetry) {
    this.box = box;
    this.onRetry = onRetry;
  }

  render({ errors }) {
    const error = errors.query ?? errors.indexer;
    const words = error ? `${error.title} ${error.message}` : "";
    // Drawn only when it changed: an alert that is drawn anew is read out anew.
    if (words === this.#shown) return;
    this.#shown = words;
    this.box.hidden = !error;
    if (!error) return this.box.replaceChildren();
    this.box.replaceChildren(
      el("h2", {}, titleOf(errors, error)),
      ...told(error),
      el("button", { type: "button", class: "quiet", click: this.onRetry }, FAILED.retry),
    );
  }
}

function titleOf({ query }, error) {
  return !query && error.status === 503 ? NOTICE.paused : error.title;
}
