/** Narrows a search: by the tags and the metadata of what was found. */

import { conditionWords } from "./condition.js";
import { el, fill, icon } from "./dom.js";
import { numberOf, stringify } from "./exact_json.js";
import { metadataFacets, tagFacets } from "./facets.js";
import { number } from "./messages.js";
import { FILTERS } from "./messages_search.js";
import { NO_FILTER, conditionsOf, withCondition, wayOf } from "./query.js";

const NOT = "must_not";

export class Filters {
  #open = false;
  #search = null;
  #drawn = null;

  /** `onChange(query)` is called with the search as it is to be. */
  constructor(section, onChange) {
    this.section = section;
    this.onChange = onChange;
    this.bar = el("div", { class: "filter-bar" });
    this.panel = el("div", { class: "filter-panel", id: "filter-panel", hidden: true });
    section.append(this.bar, this.panel);
  }

  render(search) {
    this.section.hidden = search.status === "idle" || (search.error && !search.answer);
    if (this.section.hidden) return;
    this.#search = search;
    // While an answer is awaited, what was found before still stands there.
    const now = `${search.hits.length} ${search.status} ${stringify(search.query)}`;
    if (now === this.#drawn) return;
    this.#drawn = now;
    const focused = this.section.contains(document.activeElement)
      ? document.activeElement.dataset.name
      : null;
    this.#drawBar();
    if (search.status !== "loading") this.#drawPanel();
    if (focused)
      this.section.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  #drawBar() {
    const { query } = this.#search;
    const active = conditionsOf(query).length;
    fill(
      this.bar,
      el(
        "button",
        {
          type: "button",
          class: "filter-toggle",
          "data-name": "filters",
          "aria-expanded": String(this.#open),
          "aria-controls": "filter-panel",
          click: () => {
            this.#open = !this.#open;
            this.panel.hidden = !this.#open;
            this.bar.firstChild.setAttribute("aria-expanded", String(this.#open));
          },
        },
        icon("filter"),
        FILTERS.title,
        active > 0 && el("span", { class: "badge" }, String(active)),
      ),
      ...Object.keys(NO_FILTER).flatMap((way) =>
        query.filter[way].map((condition) => this.#active(condition, way)),
      ),
      this.#allOrAny(),
      active > 1 &&
        el(
          "button",
          { type: "button", class: "plain", click: () => this.#change({ filter: NO_FILTER }) },
          FILTERS.clear,
        ),
    );
  }

  #active(condition, way) {
    const words = conditionWords(condition);
    return el(
      "button",
      {
        type: "button",
        class: way === NOT ? "chip active against" : "chip active",
        "aria-label": FILTERS.remove(way === NOT ? FILTERS.not(words) : words),
        click: () => this.onChange(withCondition(this.#search.query, condition, null)),
      },
      way === NOT ? FILTERS.not(words) : words,
      icon("close"),
    );
  }

  #drawPanel() {
    const search = this.#search;
    const { query } = search;
    const tags = tagFacets(search);
    const among = FILTERS.among(search.hits.length);
    this.panel.hidden = !this.#open;
    fill(
      this.panel,
      tags.length > 0 &&
        this.#group(
          el("h2", {}, FILTERS.tags, el("small", {}, among)),
          el(
            "ul",
            { class: "facets" },
            ...tags.map((one) => this.#facet({ tag: one.tag }, one.tag, one.count)),
          ),
        ),
      ...metadataFacets(search).map((field) =>
        this.#group(
          el("h2", {}, field.key),
          field.values.length
            ? el(
                "ul",
                { class: "facets" },
                ...field.values.map((one) =>
                  this.#facet({ key: field.key, match: one.value }, String(one.value), one.count),
                ),
              )
            : this.#range(field),
        ),
      ),
      this.#group(
        el("h2", {}, FILTERS.show),
        this.#switch(FILTERS.fold, !query.copies, (on) => this.#change({ copies: !on })),
        query.parts.length === 1 &&
          this.#switch(FILTERS.likely, query.likely, (on) => this.#change({ likely: on })),
      ),
    );
  }

  #group(...content) {
    return el("section", { class: "facet-group" }, ...content);
  }

  get #wanted() {
    return this.#search.query.filter.should.length ? "should" : "must";
  }

  #facet(condition, words, images) {
    const way = wayOf(this.#search.query, condition);
    const put = (wanted) => () =>
      this.onChange(withCondition(this.#search.query, condition, way === wanted ? null : wanted));
    const wanted = way && way !== NOT ? way : this.#wanted;
    return el(
      "li",
      { class: "facet" },
      el(
        "button",
        {
          type: "button",
          class: "with",
          "data-name": `with ${stringify(condition)}`,
          "aria-pressed": String(way !== null && way !== NOT),
          "aria-label": FILTERS.only(words, images),
          click: put(wanted),
        },
        el("span", {}, words),
        el("span", { class: "count" }, number(images)),
      ),
      el(
        "button",
        {
          type: "button",
          class: "without",
          "data-name": `without ${stringify(condition)}`,
          "aria-pressed": String(way === NOT),
          "aria-label": FILTERS.without(words),
          title: FILTERS.without(words),
          click: put(NOT),
        },
        icon("minus"),
      ),
    );
  }

  /** Whether several are all to be met, or one of them at least. */
  #allOrAny() {
    const { filter } = this.#search.query;
    if (filter.must.length + filter.should.length < 2) return null;
    const choose = (from, to) => () =>
      this.#change({ filter: { ...filter, [to]: [...filter[to], ...filter[from]], [from]: [] } });
    const choice = (words, to, from) =>
      el(
        "button",
        {
          type: "button",
          "data-name": to,
          "aria-pressed": String(this.#wanted === to),
          click: choose(from, to),
        },
        words,
      );
    return el(
      "div",
      { class: "either", role: "group", "aria-label": FILTERS.toMeet },
      choice(FILTERS.all, "must", "should"),
      choice(FILTERS.any, "should", "must"),
    );
  }

  #range({ key, least, most }) {
    const bound = (name, at) =>
      el("input", {
        type: "number",
        step: "any",
        name,
        placeholder: String(at),
        "aria-label": name === "gte" ? FILTERS.from(key) : FILTERS.upTo(key),
      });
    const [from, to] = [bound("gte", least), bound("lte", most)];
    return el(
      "form",
      {
        class: "range",
        submit: (event) => {
          event.preventDefault();
          const condition = { key };
          for (const { name, value } of [from, to]) if (value !== "") condition[name] = numberOf(value);
          if (from.value !== "" || to.value !== "")
            this.onChange(withCondition(this.#search.query, condition, "must"));
        },
      },
      from,
      FILTERS.to,
      to,
      el("button", { type: "submit", class: "action" }, FILTERS.apply),
    );
  }

  #switch(words, on, change) {
    return el(
      "label",
      { class: "switch" },
      el("input", {
        type: "checkbox",
        role: "switch",
        checked: on,
        "data-name": words,
        change: (event) => change(event.target.checked),
      }),
      el("span", { class: "track", "aria-hidden": "true" }),
      el("span", {}, words),
    );
  }

  #change(fields) {
    this.onChange({ ...this.#search.query, ...fields });
  }
}
