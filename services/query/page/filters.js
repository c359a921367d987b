/** Narrows a search, or a view of all pictures: by tags, by what the files tell, by metadata. */

import { told } from "./browse_states.js";
import { conditionWords } from "./condition.js";
import { dateRange } from "./date_range.js";
import { el, fill, icon } from "./dom.js";
import { numberOf, stringify } from "./exact_json.js";
import { FACTS, factsOfHits } from "./fact_facets.js";
import { metadataFacets, tagFacets } from "./facets.js";
import { viewFilter } from "./gallery_query.js";
import { number } from "./messages.js";
import { FILTERS } from "./messages_search.js";
import { NO_FILTER, conditionsOf, isGallery, withCondition, wayOf } from "./query.js";

const NOT = "must_not";

export class Filters {
  #open = false;
  #search = null;
  #drawn = null;
  #asked = new AbortController();

  /**
   * `onChange(query)` is called with the search as it is to be; `onMoved()` where what lies below
   * has moved.
   */
  constructor(section, browse, { onChange, onMoved }) {
    this.section = section;
    this.browse = browse;
    this.onChange = onChange;
    this.onMoved = onMoved;
    this.bar = el("div", { class: "filter-bar" });
    this.panel = el("div", { class: "filter-panel", id: "filter-panel", hidden: true });
    section.append(this.bar, this.panel);
  }

  render(search) {
    const browsing = isBrowsing(search);
    this.section.hidden = !browsing && (search.status === "idle" || (search.error !== null && !search.answer));
    if (this.section.hidden) return;
    if (search !== this.#search) this.#asked.abort();
    this.#search = search;
    // While an answer is awaited, what was found before still stands there.
    const now = `${search.hits.length} ${search.status} ${stringify(search.query)}`;
    if (now === this.#drawn) return;
    this.#drawn = now;
    const focused = this.section.contains(document.activeElement)
      ? document.activeElement.dataset.name
      : null;
    this.#drawBar();
    if (browsing) this.#browse();
    else if (search.status !== "loading") this.#drawPanel();
    this.#focus(focused);
  }

  /** What was pressed is drawn anew: the keyboard stays on it. */
  #focus(name) {
    if (name) this.section.querySelector(`[data-name="${CSS.escape(name)}"]`)?.focus({ preventScroll: true });
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
            if (this.#open && isBrowsing(this.#search)) this.#browse();
            this.onMoved();
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

  /** Counts what the pictures of a view have in common, once somebody wants to see it. */
  async #browse() {
    this.panel.hidden = !this.#open;
    if (!this.#open) return this.panel.replaceChildren();
    const search = this.#search;
    this.#asked.abort();
    const { signal } = (this.#asked = new AbortController());
    try {
      search.facts ??= await this.browse.facets(viewFilter(search.query), signal);
      if (signal.aborted) return;
      const tags = search.facts.tags.map(({ value, count }) => ({ tag: value, count: Number(count) }));
      const name = this.panel.contains(document.activeElement) ? document.activeElement.dataset.name : null;
      fill(this.panel, this.#tags(tags, null), this.#dates(search.facts), ...this.#facts(search.facts));
      this.#focus(name);
    } catch (error) {
      if (error.name !== "AbortError") fill(this.panel, ...told(error));
    }
    this.onMoved();
  }

  #dates(facts) {
    if (!facts.first) return null;
    return this.#group(el("h2", {}, FILTERS.taken), dateRange(this.#search.query, facts, this.onChange));
  }

  #tags(tags, among) {
    if (!tags.length) return null;
    return this.#group(
      el("h2", {}, FILTERS.tags, among && el("small", {}, among)),
      el("ul", { class: "facets" }, ...tags.map((one) => this.#facet({ tag: one.tag }, one.tag, one.count))),
    );
  }

  #facts(facts) {
    return FACTS.map(({ name, condition }) => {
      const values = facts[name] ?? [];
      if (!values.length) return null;
      return this.#group(
        el("h2", {}, FILTERS.facts[name]),
        el("ul", { class: "facets" }, ...values.map(({ value, count }) => this.#facet(condition(value), value, Number(count)))),
      );
    });
  }

  #drawPanel() {
    const search = this.#search;
    const { query } = search;
    const facts = factsOfHits(search.hits);
    this.panel.hidden = !this.#open;
    fill(
      this.panel,
      this.#tags(tagFacets(search), FILTERS.among(search.hits.length)),
      this.#dates(facts),
      ...this.#facts(facts),
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

/** Whether a view of all pictures is shown, which can be filtered. */
function isBrowsing({ status, query }) {
  return status === "idle" && query.parts.length === 0 && isGallery(query);
}
