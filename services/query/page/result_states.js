/** What stands in the place of hits: loading, nothing found, no confident match, an error. */

import { el } from "./dom.js";
import { humane, isTechnical } from "./errors.js";
import { FAILED } from "./messages.js";
import { RESULTS } from "./messages_search.js";
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
    el("h2", {}, RESULTS.onlyLeftOut[0]),
    el("p", {}, RESULTS.onlyLeftOut[1]),
  );
}

export function nothing({ query }, { onUnfiltered }) {
  const filtered = conditionsOf(query).length > 0;
  return el(
    "div",
    { class: "state" },
    el("h2", {}, RESULTS.none),
    el(
      "p",
      {},
      filtered
        ? RESULTS.noneFiltered
        : RESULTS.noneWords,
    ),
    filtered && button(RESULTS.unfilter, onUnfiltered),
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
    el("h2", {}, RESULTS.doubt),
    el(
      "p",
      {},
      cut
        ? RESULTS.unlikely
        : RESULTS.best(percent(best)),
    ),
    el(
      "ul",
      { class: "tries", "aria-label": RESULTS.suggestions },
      picture && el("li", {}, button(RESULTS.crop, () => onCrop(picture))),
      !query.exact && el("li", {}, button(RESULTS.exactly, onExact)),
      filtered && el("li", {}, button(RESULTS.unfilter, onUnfiltered)),
      cut && el("li", {}, button(RESULTS.all, onAll)),
    ),
    el(
      "p",
      { class: "after" },
      cut
        ? RESULTS.another
        : RESULTS.anotherNearest,
    ),
  );
}

export function problem(error, { onRetry, onChooseAgain }) {
  const gone = error.upload !== null;
  const known = [error.details, !gone && error.requestId && FAILED.request(error.requestId)].filter(Boolean);
  // A sentence of the service stands as it is, unless it's for whoever runs it.
  const technical = !gone && isTechnical(error.message);
  const { sentence, details } = technical ? humane(error) : { sentence: error.message, details: null };
  const facts = technical ? [details].filter(Boolean) : known;
  return el(
    "div",
    { class: error.passing ? "state error" : "state" },
    el("h2", {}, gone ? RESULTS.expired : error.title),
    el("p", {}, gone ? RESULTS.expiredWords : sentence),
    facts.length > 0 &&
      el("details", {}, el("summary", {}, FAILED.details), ...facts.map((fact) => el("p", {}, fact))),
    gone && button(RESULTS.chooseAgain, () => onChooseAgain(error.upload)),
    error.passing && button(FAILED.retry, onRetry),
  );
}

function button(words, click) {
  return el("button", { class: "quiet", type: "button", click }, words);
}
