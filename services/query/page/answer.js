/** What was asked and how the answer came about. */

import { hrefOf } from "./address.js";
import { el, fill, icon } from "./dom.js";
import { by } from "./query.js";
import { headingOf } from "./title.js";
import { modeSentence, recall, scanned, times } from "./words.js";

export class AnswerView {
  constructor(section, sources) {
    this.section = section;
    this.sources = sources;
  }

  render(search) {
    this.section.hidden = search.status === "idle";
    if (this.section.hidden) return this.section.replaceChildren();
    const { answer, query } = search;
    const sentence = answer && search.hits.length ? modeSentence(answer.mode, query) : null;
    fill(
      this.section,
      el(
        "div",
        { class: "asked" },
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
              "aria-label": "Clear the search",
            },
            icon("close"),
          ),
        ),
        sentence && el("p", { class: "mode" }, sentence),
      ),
      answer && search.status !== "error" && facts(answer),
    );
  }
}

function facts(answer) {
  const told = [
    ["Looked at", ...scanned(answer)],
    ["Expected recall", ...recall(answer.recall)],
    ["Time", ...times(answer.timings_ms)],
    [
      "Snapshot",
      `${answer.snapshot}`,
      answer.metric === "l2" ? "L2 distance" : "cosine similarity",
    ],
  ];
  return el(
    "dl",
    { class: "facts", "aria-label": "How this answer came about" },
    ...told.map(([name, value, note]) =>
      el("div", {}, el("dt", {}, name), el("dd", {}, value, note ? el("small", {}, note) : null)),
    ),
  );
}
