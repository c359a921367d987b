/** What was asked and how the answer came about. */

import { hrefOf } from "./address.js";
import { el, fill, icon } from "./dom.js";
import { ANSWER } from "./messages_search.js";
import { by } from "./query.js";
import { expectedLine } from "./expected_line.js";
import { PlaceOffers } from "./place_offer.js";
import { headingOf } from "./title.js";
import { listed, milliseconds, modeSentence, recall, scanned, showing, stages, total } from "./words.js";

export class AnswerView {
  #open = false;

  constructor(section, sources, api) {
    this.section = section;
    this.sources = sources;
    this.offers = new PlaceOffers(api);
  }

  render(search) {
    this.section.hidden = search.status === "idle";
    if (this.section.hidden) return this.section.replaceChildren();
    const { answer, query } = search;
    const sentence = answer && search.hits.length ? modeSentence(answer, query) : null;
    fill(
      this.section,
      el(
        "div",
        { class: "asked-title" },
        el("h1", { id: "answer-title" }, headingOf(query, this.sources)),
        el(
          "a",
          {
            class: "clear",
            href: hrefOf(by([], query)),
            "data-search": true,
            "aria-label": ANSWER.clear,
          },
          icon("close"),
        ),
      ),
      answer && correction(answer, query),
      sentence && el("p", { class: "mode" }, sentence),
      search.status !== "loading" && this.offers.drawn(search),
      answer && search.hits.length > 0 && orders(query),
      sentence && expectedLine(answer),
      answer && search.status !== "error" && this.#how(answer),
    );
  }

  /** A line, and behind it the time of each stage. */
  #how(answer) {
    const told = el(
      "details",
      { class: "how", open: this.#open, toggle: () => (this.#open = told.open) },
      el(
        "summary",
        {},
        el("span", {}, scanned(answer)),
        el("span", {}, recall(answer.recall)),
        el("span", {}, milliseconds(total(answer.timings_ms))),
      ),
      stageBar(answer.timings_ms),
      el(
        "p",
        { class: "basis" },
        ANSWER.basis(answer.snapshot, answer.metric, answer.model),
      ),
    );
    return told;
  }
}

/** By relevance, or by date what matches: each order has its address. */
function orders(query) {
  return el(
    "div",
    { class: "segments", role: "group", "aria-label": ANSWER.order },
    ...Object.entries(ANSWER.orders).map(([sort, words]) =>
      el(
        "a",
        { href: hrefOf({ ...query, sort }), "data-search": true, "aria-current": query.sort === sort ? "true" : null },
        words,
      ),
    ),
  );
}

/** Which tags are shown in place of words that no tag equals, and the way to search as typed. */
function correction({ corrected_terms: corrected = [] }, query) {
  if (!corrected.length) return null;
  return el(
    "p",
    { class: "mode correction" },
    `${showing(corrected)}. `,
    el(
      "a",
      { href: hrefOf({ ...query, literal: true }), "data-search": true },
      ANSWER.instead(listed(corrected.map(({ term }) => term))),
    ),
  );
}

/** How long each stage took, as widths and in words. */
function stageBar(timings) {
  const bar = el("div", { class: "stage-bar", "aria-hidden": "true" });
  const list = el("ul", { class: "stages", "aria-label": ANSWER.stages });
  stages(timings).forEach(({ name, value }, at) => {
    const part = el("span", { class: `stage-${at % 5}` });
    part.style.flexGrow = value;
    bar.append(part);
    list.append(
      el(
        "li",
        {},
        el("span", { class: `dot stage-${at % 5}`, "aria-hidden": "true" }),
        `${name} ${milliseconds(value)}`,
      ),
    );
  });
  return el("div", { class: "timing" }, bar, list);
}
