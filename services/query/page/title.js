/** The page's name for a search, and what a screen reader is told of it. */

import { byId } from "./dom.js";
import { humane } from "./errors.js";
import { APP } from "./messages.js";
import { ANSWER, PARTS, RESULTS } from "./messages_search.js";
import { isAsked } from "./query.js";
import { listed, showing } from "./words.js";

const NAME = APP;

export function headingOf({ parts }, sources) {
  const named = parts.map((part) => {
    const name = sources.nameOf(part);
    if (part.kind === "term") return { part, name: `\u201c${name}\u201d` };
    return { part, name: name === PARTS.picture ? PARTS.yourPicture : name };
  });
  const wanted = named.filter(({ part }) => part.weight > 0);
  const unwanted = named.filter(({ part }) => part.weight < 0);
  const without = unwanted.length ? PARTS.without(listed(unwanted.map(({ name }) => name))) : "";
  const [only] = wanted;
  if (wanted.length === 1 && only.part.kind === "term") return only.name + without;
  return PARTS.like(listed(wanted.map(({ name }) => name))) + without;
}

export function titleOf({ query }, sources) {
  return isAsked(query) ? `${headingOf(query, sources)} - ${NAME}` : NAME;
}

/** Says a search's outcome, or a sentence, to screen readers; `visible` shows it for a while too. */
export function announce(what, visible = false) {
  const region = byId("spoken");
  region.textContent = typeof what === "string" ? what : outcome(what);
  region.classList.toggle("toast", visible);
  if (visible) setTimeout(() => region.classList.remove("toast"), 6000);
}

function outcome(search) {
  if (search.error) return humane(search.error).sentence;
  if (search.shown.length === 0) return RESULTS.noneSpoken;
  const corrected = search.answer.corrected_terms ?? [];
  const read = corrected.length ? `${showing(corrected)}. ` : "";
  return read + ANSWER.shown(search.shown.length, search.more);
}
