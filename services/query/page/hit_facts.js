/** What is known of an image: its tags, which can be changed, where it's from, its metadata. */

import { hrefOf } from "./address.js";
import { el, icon } from "./dom.js";
import { stringify } from "./exact_json.js";
import { factsOf } from "./file_facts.js";
import { textOf as readTextOf } from "./framed_text.js";
import { labelChips } from "./label_chips.js";
import { LARGE } from "./messages.js";
import { tagChip } from "./tag_chip.js";
import { tagEditor } from "./tag_editor.js";
import { nameOf } from "./words.js";

export class HitFacts {
  /** `onRetagged(tags)` is called when other tags were saved. */
  constructor(api, hit, query, onRetagged) {
    this.api = api;
    this.hit = hit;
    this.query = query;
    this.onRetagged = onRetagged;
  }

  drawn() {
    this.tags = el("div", {});
    this.#showTags();
    const { hit } = this;
    const facts = factsOf(hit);
    return el(
      "div",
      { class: "known" },
      facts.length > 0 &&
        this.#section(
          LARGE.info,
          el(
            "dl",
            { class: "details" },
            ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
          ),
        ),
      this.#section(LARGE.tags, this.tags),
      labelChips(this.api, hit, (tags) => {
        this.onRetagged(tags);
        this.#showTags();
      }),
      readTextOf(hit) && this.#section(LARGE.text, readTextOf(hit)),
      hit.uris.length > 0 &&
        this.#section(
          LARGE.from,
          el("ul", { class: "uris" }, ...hit.uris.map((uri) => el("li", {}, uri))),
        ),
      Object.keys(hit.metadata).length > 0 &&
        this.#section(
          LARGE.metadata,
          el(
            "dl",
            { class: "details" },
            ...Object.entries(hit.metadata).map(([key, value]) =>
              el("div", {}, el("dt", {}, key), el("dd", {}, textOf(value))),
            ),
          ),
        ),
      hit.notes?.length > 0 &&
        this.#section(
          LARGE.notShown,
          el("ul", { class: "uris" }, ...hit.notes.map((note) => el("li", {}, note))),
        ),
      hit.duplicates?.length > 0 &&
        this.#section(
          LARGE.duplicates,
          el(
            "ul",
            { class: "uris" },
            ...hit.duplicates.map((copy) =>
              el(
                "li",
                {},
                el("a", { href: hrefOf(this.query, copy.id), "data-open": copy.id }, nameOf(copy)),
              ),
            ),
          ),
        ),
    );
  }

  #section(title, ...content) {
    return el("section", {}, el("h3", {}, title), ...content);
  }

  #showTags(focus = false) {
    const edit = el(
      "button",
      { type: "button", class: "chip edit", click: () => this.#edit() },
      icon("edit"),
      this.hit.tags.length ? LARGE.editTags : LARGE.addTags,
    );
    this.tags.replaceChildren(
      el(
        "ul",
        { class: "tags", "aria-label": LARGE.tagsOf },
        ...this.hit.tags.map((tag) => el("li", {}, tagChip(tag, this.query))),
        el("li", {}, edit),
      ),
    );
    if (focus) edit.focus();
  }

  #edit() {
    this.tags.replaceChildren(
      tagEditor(this.api, this.hit, (saved, undo) => {
        if (saved) this.onRetagged(saved, undo);
        this.#showTags(true);
      }),
    );
    this.tags.querySelector("input").focus();
  }
}

function textOf(value) {
  return typeof value === "string" ? value : stringify(value);
}
