/** The page's name for a search, and what a screen reader is told of it. */

import { byId } from "./dom.js";
import { count, nameOf } from "./words.js";

const NAME = "Image Search";

export function headingOf(search) {
  const { query, source } = search;
  if (query.kind === "term") return `“${query.term}”`;
  if (query.kind === "similar")
    return source ? `Like ${nameOf(source)}` : "Images like this one";
  return "Images like your picture";
}

export function titleOf(search) {
  return search.query.kind === "none" ? NAME : `${headingOf(search)} - ${NAME}`;
}

/** Says a search's outcome, or a sentence, to screen readers; `visible` shows it for a while too. */
export function announce(what, visible = false) {
  const region = byId("spoken");
  region.textContent = typeof what === "string" ? what : outcome(what);
  region.classList.toggle("toast", visible);
  if (visible) setTimeout(() => region.classList.remove("toast"), 6000);
}

function outcome(search) {
  if (search.error) return `${search.error.title}. ${search.error.message}`;
  if (search.hits.length === 0) return "No images found.";
  return `${count(search.hits.length, "image")} shown${search.more ? ", there are more" : ""}.`;
}
