/** One search and what came of it; and which search the page shows. */

import { isAsked } from "./query.js";

const KEPT = 20;

export class Search {
  /** How many images the hits so far stand for. */
  #ranked = 0;

  /** `hidden`: ids of what was deleted here, and may yet come back. */
  constructor(query, hidden = new Set()) {
    this.query = query;
    /** idle (nothing asked) | loading | ready | loading-more | error */
    this.status = isAsked(query) ? "loading" : "idle";
    this.hits = [];
    /** The last page's answer, less its hits, with what the first one told of all matches. */
    this.answer = null;
    this.more = false;
    this.error = null;
    /** How many hits carry each tag, over the pages so far. */
    this.facets = new Map();
    /** How far the page was scrolled when it was left. */
    this.top = 0;
    /** As many hits at first: where a page that was scrolled far is loaded anew. */
    this.wanted = 0;
    this.hidden = hidden;
    /** What a view of the collection has found, and where a page that is loaded anew begins. */
    this.browsed = null;
    this.anchor = null;
  }

  /** What is shown. */
  get shown() {
    return this.hidden.size ? this.hits.filter(({ id }) => !this.hidden.has(id)) : this.hits;
  }

  /** Takes in a page of the answer. */
  add({ hits, ...answer }) {
    // The count of matches is one of images, also of those that are folded into a hit.
    for (const hit of hits) {
      hit.rank = this.#ranked;
      this.#ranked += 1 + (hit.duplicates?.length ?? 0);
    }
    this.hits.push(...hits);
    for (const { tag, count } of answer.facets ?? [])
      this.facets.set(tag, (this.facets.get(tag) ?? 0) + count);
    const { expected, present } = this.answer ?? answer;
    this.answer = { ...answer, expected, present };
    this.more = answer.next !== null;
    this.error = null;
    this.status = "ready";
  }

  fail(error) {
    this.error = error;
    this.status = "error";
  }
}

/** The searches of this visit by history entry, and the one that is shown. */
export class Store {
  #searches = new Map();
  #listeners = [];
  #count = 0;
  current = null;
  hidden = new Set();

  /** Calls `listener(search)` whenever the shown search is another one or has changed. */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  /** Remembers a search and gives it a name that no earlier load of the page has used. */
  keep(search) {
    const entry = `${performance.timeOrigin}-${this.#count++}`;
    this.#searches.set(entry, search);
    if (this.#searches.size > KEPT) this.#searches.delete(this.#searches.keys().next().value);
    return entry;
  }

  recall(entry) {
    return this.#searches.get(entry) ?? null;
  }

  show(search) {
    this.current = search;
    this.changed(search);
  }

  /** A search that isn't shown any more may still change; nobody needs to know. */
  changed(search) {
    if (search !== this.current) return;
    for (const listener of this.#listeners) listener(search);
  }
}
