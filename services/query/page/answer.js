/** What was asked and how the answer came about. */

import { hrefOf } from "./address.js";
import { el, icon } from "./dom.js";
import { thumbnail } from "./thumbnail.js";
import { headingOf } from "./title.js";
import { modeSentence, recall, scanned, times } from "./words.js";

export class AnswerView {
  #shown = null;
  #picture = null;

  constructor(section, api) {
    this.section = section;
    this.api = api;
  }

  render(search) {
    this.section.hidden = search.status === "idle";
    if (this.section.hidden) {
      this.section.replaceChildren();
      this.#shown = null;
      return;
    }
    if (search !== this.#shown) {
      this.#shown = search;
      this.#picture = this.#pictureOf(search.query);
    }
    const { answer } = search;
    const sentence = answer && search.hits.length ? modeSentence(answer.mode, search.query) : null;
    this.section.replaceChildren(
      el(
        "div",
        { class: "asked" },
        this.#picture,
        el(
          "div",
          { class: "asked-words" },
          el(
            "div",
            { class: "asked-title" },
            el("h1", { id: "answer-title" }, headingOf(search)),
            el(
              "a",
              {
                class: "clear",
                href: hrefOf({ kind: "none" }, search.exact),
                "data-search": true,
                "aria-label": "Clear the search",
              },
              icon("close"),
            ),
          ),
          sentence && el("p", { class: "mode" }, sentence),
        ),
      ),
      answer && search.status !== "error" ? this.#facts(answer) : "",
    );
  }

  /** The picture that is asked with; made once a search, so that it doesn't flicker. */
  #pictureOf(query) {
    if (query.kind === "similar") {
      return el(
        "div",
        { class: "example" },
        thumbnail(this.api, query.id, "The image you started from"),
      );
    }
    if (query.kind !== "upload") return null;
    const url = URL.createObjectURL(query.file);
    const box = el(
      "div",
      { class: "example" },
      el("img", { src: url, alt: "Your picture", class: "here" }),
    );
    const img = box.firstChild;
    img.addEventListener("load", () => URL.revokeObjectURL(url));
    // A browser can't show every format that can be searched by.
    img.addEventListener("error", () => box.classList.add("broken"));
    return box;
  }

  #facts(answer) {
    const facts = [
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
      ...facts.map(([name, value, note]) =>
        el("div", {}, el("dt", {}, name), el("dd", {}, value, note ? el("small", {}, note) : null)),
      ),
    );
  }
}
