/** What stands in place of pictures: none there yet, nothing found, a failure. */

import { el, icon } from "./dom.js";
import { humane } from "./errors.js";
import { EMPTY, FAILED, GALLERY } from "./messages.js";

/** The first thing that a new collection shows. */
export function firstSteps() {
  return el(
    "div",
    { class: "state first-steps" },
    icon("picture"),
    el("h1", {}, EMPTY.title),
    el("p", {}, EMPTY.words),
    el("a", { class: "submit large-button", href: "manage#add" }, EMPTY.action),
    el("p", { class: "soft" }, EMPTY.alsoDrop),
  );
}

export function emptyState(view) {
  return statement(view === "favourites" ? GALLERY.emptyFavourites : GALLERY.emptyFilter);
}

export function statement([title, words], ...more) {
  return el("div", { class: "state" }, el("h2", {}, title), el("p", {}, words), ...more);
}

export function waitingState() {
  const blocks = Array.from({ length: 28 }, (_, at) => {
    const block = el("span", { class: "block" });
    block.style.setProperty("--ratio", [1.5, 0.75, 1.33, 1.78, 1][at % 5]);
    return block;
  });
  return el("div", { class: "blocks", role: "status" }, el("span", { class: "unseen" }, GALLERY.loading), ...blocks);
}

export function failedState(error, onRetry) {
  return el(
    "div",
    { class: "state error", role: "alert" },
    el("h2", {}, FAILED.title),
    ...told(error),
    onRetry && el("button", { type: "button", class: "quiet", click: onRetry }, FAILED.retry),
  );
}

/** One sentence, and behind "Details" what is of use to whoever runs the services. */
export function told(error) {
  const { sentence, details } = humane(error);
  return [
    el("p", {}, sentence),
    details && el("details", { class: "error-details" }, el("summary", {}, FAILED.details), el("p", {}, details)),
  ].filter(Boolean);
}
