/** One search and what came of it; and which search the page shows. */

const KEPT = 20;

export class Search {
  constructor(query, exact) {
    this.query = query;
    this.exact = exact;
    /** idle (nothing asked) | loading | ready | loading-more | error */
    this.status = query.kind === "none" ? "idle" : "loading";
    this.hits = [];
    /** The last page's answer, less its hits. */
    this.answer = null;
    this.more = false;
    this.error = null;
    /** The image that a `similar` search starts from, once it's known. */
    this.source = null;
  }

  /** Takes in a page of the answer. */
  add({ hits, ...answer }) {
    this.hits.push(...hits);
    this.answer = answer;
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
