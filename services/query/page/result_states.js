/** What stands in the place of hits: loading, nothing found, no confident match, an error. */

import { el } from "./dom.js";
import { conditionsOf } from "./query.js";
import { percent } from "./words.js";

const SKELETON = [1.33, 1.33, 0.75, 1.33, 1, 1.33, 0.75, 1.33, 1.33, 1];
const CONFIDENT = 0.4;
const LOOKED_AT = 10;

export function skeleton() {
  const tiles = SKELETON.map((ratio) => {
    const tile = el("li", { class: "blank" }, el("div", { class: "picture" }));
    tile.style.setProperty("--ratio", ratio);
    return tile;
  });
  return el("ol", { class: "hits skeleton", "aria-hidden": "true" }, ...tiles);
}

/** There are parts, but all of them are left out. */
export function unasked() {
  return el(
    "div",
    { class: "state" },
    el("h2", {}, "Add something to search for"),
    el("p", {}, "This search only excludes images. Add a word or a picture."),
  );
}

export function nothing({ query }, { onUnfiltered }) {
  const filtered = conditionsOf(query).length > 0;
  return el(
    "div",
    { class: "state" },
    el("h2", {}, "No images found"),
    el(
      "p",
      {},
      filtered
        ? "No image meets all the filters of this search."
        : "Nothing similar found. Try another word or a picture.",
    ),
    filtered && button("Remove the filters", onUnfiltered),
  );
}

/** The sentence, and what to try, where no hit is a confident match; else null. */
export function doubt(search, { onCrop, onExact, onUnfiltered, onAll }) {
  const { query, answer, hits } = search;
  // The first hit need not be the likeliest: its neighbours had a say in the order.
  const chances = hits.slice(0, LOOKED_AT).map(({ probability }) => probability);
  const known = chances.length > 0 && chances.every((chance) => chance != null);
  // One chance for all of them tells nothing of any.
  const tells = known && (chances.length === 1 || new Set(chances).size > 1);
  const best = tells ? Math.max(...chances) : null;
  const cut = answer.cut_off && !answer.cut_off.confident;
  if (!cut && (best === null || best >= CONFIDENT)) return null;
  const picture = query.parts.find(({ kind, weight }) => kind !== "term" && weight > 0);
  const filtered = conditionsOf(query).length > 0;
  return el(
    "div",
    { class: "state doubt" },
    el("h2", {}, "No confident match"),
    el(
      "p",
      {},
      cut
        ? "Nothing in the collection is likely to match."
        : `The best match has a probability of only ${percent(best)}.`,
    ),
    el(
      "ul",
      { class: "tries", "aria-label": "Suggestions" },
      picture && el("li", {}, button("Crop to what matters", () => onCrop(picture))),
      !query.exact && el("li", {}, button("Search exactly", onExact)),
      filtered && el("li", {}, button("Remove the filters", onUnfiltered)),
      cut && el("li", {}, button("Show unlikely matches too", onAll)),
    ),
    el(
      "p",
      { class: "after" },
      cut
        ? "Or try another picture or word."
        : "Or try another picture or word. These are the nearest images.",
    ),
  );
}

export function problem(error, { onRetry, onChooseAgain }) {
  const gone = error.upload !== null;
  const facts = [error.details, !gone && error.requestId && `Request ${error.requestId}`].filter(Boolean);
  return el(
    "div",
    { class: error.passing ? "state error" : "state" },
    el("h2", {}, gone ? "The picture has expired" : error.title),
    el("p", {}, gone ? "Search pictures are stored only for a limited time." : error.message),
    facts.length > 0 &&
      el("details", {}, el("summary", {}, "Details"), ...facts.map((fact) => el("p", {}, fact))),
    gone && button("Choose the picture again", () => onChooseAgain(error.upload)),
    error.passing && button("Try again", onRetry),
  );
}

function button(words, click) {
  return el("button", { class: "quiet", type: "button", click }, words);
}
