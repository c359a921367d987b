/** Goes from search to search, and to a hit and back, by the history of the tab. */

import * as address from "./address.js";
import { byId } from "./dom.js";
import { humane } from "./errors.js";
import { Search } from "./state.js";
import { announce } from "./title.js";

const FIRST_PAGE = 60;
const LARGEST_PAGE = 240;
const MOST = 1000;
/** How long hits wait for their shapes, so that none has to change it later. */
const SHAPES_MS = 250;
const REMEMBER_MS = 200;

export class Router {
  #running = new AbortController();
  #opened = null;
  #remembering = 0;
  /** The collection's figures, once they are known. */
  stats = null;
  /** `onOpen(hit, around)`: a hit is shown large. `onClosed(id)`: it no longer is. */
  onOpen = () => {};
  onClosed = () => {};
  /** The view of the collection that is shown: `around(id)`, `anchor()`. */
  browse = null;
  /** The grid of hits: `anchor()`, `restore(anchor, top)`. */
  results = null;

  constructor(store, api, sources) {
    this.store = store;
    this.api = api;
    this.sources = sources;
  }

  start() {
    history.scrollRestoration = "manual";
    window.addEventListener("popstate", () => this.#restore());
    window.addEventListener("pagehide", () => this.#remember());
    window.addEventListener("scroll", () => this.#rememberSoon(), { passive: true });
    document.addEventListener("click", (event) => this.#follow(event));
    this.#restore();
  }

  /** Starts a search as a new step of the history. */
  go(query, replace = false) {
    const search = new Search(query, this.store.hidden);
    this.#remember();
    this.#leave();
    const state = { entry: this.store.keep(search) };
    if (replace) history.replaceState(state, "", address.hrefOf(query));
    else history.pushState(state, "", address.hrefOf(query));
    this.#closed();
    this.#show(search);
    // The link that was followed is gone: the keyboard goes on where its results are.
    if (document.activeElement === document.body) byId("results").focus({ preventScroll: true });
  }

  /** Shows a hit large, as a step of its own; from hit to hit it stays the same step. */
  open(id) {
    const { entry, opened } = history.state;
    const url = address.hrefOf(this.store.current.query, id);
    if (this.#opened === null) history.pushState({ entry, opened: true }, "", url);
    else history.replaceState({ entry, opened }, "", url);
    this.#openHit(id);
  }

  close() {
    if (history.state.opened) return history.back();
    history.replaceState({ ...history.state }, "", address.hrefOf(this.store.current.query));
    this.#closed();
  }

  loadMore() {
    const search = this.store.current;
    if (!search.more || search.status === "loading-more") return;
    search.error = null;
    search.status = "loading-more";
    this.store.changed(search);
    this.#load(search);
  }

  retry() {
    const search = this.store.current;
    if (search.hits.length) return this.loadMore();
    search.error = null;
    search.status = new Search(search.query).status;
    this.#show(search);
  }

  /** The collection's size, shown on every view; only the empty page tells when it can't be had. */
  async loadStats() {
    const search = this.store.current;
    try {
      this.stats = await this.api.stats();
      if (search.error && search.status === "idle") search.error = null;
    } catch (error) {
      if (search.status === "idle") search.error = error;
    }
    this.store.changed(this.store.current);
  }

  /** Shows what this step of the history held: from memory, else from its address. */
  #restore() {
    const { query, open } = address.read(location.href);
    let search = this.store.recall(history.state?.entry) ?? this.#same(query);
    if (!search) {
      search = new Search(query, this.store.hidden);
      search.top = history.state?.top ?? 0;
      search.wanted = history.state?.count ?? 0;
      search.anchor = history.state?.anchor ?? null;
      const entry = this.store.keep(search);
      history.replaceState({ ...history.state, entry }, "");
    }
    if (search !== this.store.current) {
      this.#leave();
      this.#show(search);
    }
    if (open === null) this.#closed();
    else this.#openHit(open);
  }

  /** The search that is shown, where a link led to another part of this page: no other is asked. */
  #same(query) {
    const { current } = this.store;
    if (history.state || !current || address.hrefOf(query) !== address.hrefOf(current.query)) return null;
    history.replaceState({ entry: this.store.keep(current) }, "");
    return current;
  }

  #show(search) {
    this.#running.abort();
    this.#running = new AbortController();
    // A search that was left while it ran starts over.
    if (search.status === "loading-more") search.status = "ready";
    this.store.show(search);
    this.#restorePlace(search);
    if (search.status === "idle") this.loadStats();
    else if (search.status === "loading") this.#load(search);
  }

  async #load(search) {
    const { signal } = this.#running;
    if (this.stats === null) this.loadStats();
    const first = search.answer === null;
    try {
      const size = first ? Math.max(FIRST_PAGE, search.wanted) : search.hits.length;
      const options = { limit: first ? Math.min(MOST, size) : Math.min(LARGEST_PAGE, size) };
      if (!first) options.cursor = search.answer.next;
      const answer = await this.api.search(search.query, options, signal);
      await this.#shape(answer.hits, signal);
      search.add(answer);
      // The index has moved on since its size was asked for.
      if (this.stats && this.stats.snapshot !== answer.snapshot) this.loadStats();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.upload && (await this.#sentAgain(search, error.upload))) return;
      search.fail(error);
    }
    this.store.changed(search);
    if (search !== this.store.current) return;
    if (first) this.#restorePlace(search);
    announce(search);
    const { open } = address.read(location.href);
    if (open !== null) this.#openHit(open);
  }

  /** Tells hits the shapes of their pictures, so that room is made for them before they come. */
  async #shape(hits, signal) {
    if (hits.length === 0) return;
    const late = new Promise((resolve) => setTimeout(resolve, SHAPES_MS, null));
    const asked = this.api.shapes(hits.map(({ id }) => id), signal).catch((error) => {
      if (error.name === "AbortError") throw error;
      return null; // They are drawn in a common shape then.
    });
    const found = await Promise.race([asked, late]);
    hits.forEach((hit, at) => (hit.ratio = found?.ratios[at] ?? null));
  }

  /** Sends a picture anew that the service no longer keeps, where this visit has it. */
  async #sentAgain(search, upload) {
    const file = this.sources.fileOf(upload);
    if (!file) return false;
    try {
      const value = await this.sources.keep(file);
      if (search !== this.store.current) return true;
      const parts = search.query.parts.map((part) =>
        part.value === upload ? { ...part, value } : part,
      );
      this.go({ ...search.query, parts }, true);
      return true;
    } catch {
      return false;
    }
  }

  /** Shows a hit of this search large, or any other image by its id. */
  async #openHit(id) {
    const search = this.store.current;
    if (search.status === "loading") return;
    this.#opened = id;
    const looked = search.status === "idle" ? this.browse?.around(id) : null;
    if (looked) return this.onOpen(looked.image, looked.around);
    const at = search.shown.findIndex((hit) => hit.id === id);
    if (at >= 0) {
      const [previous, next] = [search.shown[at - 1]?.id, search.shown[at + 1]?.id];
      if (next === undefined) this.loadMore();
      return this.onOpen(search.shown[at], { at, of: search.shown.length, previous, next });
    }
    try {
      const image = await this.api.image(id);
      if (this.#opened === id) this.onOpen(image, {});
    } catch (error) {
      announce(humane(error).sentence, true);
      this.close();
    }
  }

  #closed() {
    const id = this.#opened;
    this.#opened = null;
    this.onClosed(id);
  }

  #leave() {
    const { current } = this.store;
    if (!current) return;
    current.top = window.scrollY;
    if (current.status !== "idle") current.anchor = this.results.anchor();
  }

  /** Comes back to the hit that was at the top; views of the collection do so themselves. */
  #restorePlace(search) {
    this.results.restore(search.status === "idle" ? null : search.anchor, search.top);
  }

  #rememberSoon() {
    clearTimeout(this.#remembering);
    this.#remembering = setTimeout(() => this.#remember(), REMEMBER_MS);
  }

  /** Notes what a later load of this page needs to come back to the same place. */
  #remember() {
    clearTimeout(this.#remembering);
    const { status, hits } = this.store.current;
    if (status === "loading") return;
    const anchor = (status === "idle" ? this.browse : this.results)?.anchor() ?? null;
    history.replaceState({ ...history.state, top: window.scrollY, count: hits.length, anchor }, "");
  }

  /** Links are real links, so they open in new tabs too; a plain click stays on the page. */
  #follow(event) {
    const link = event.target.closest("a[data-search], a[data-open]");
    if (
      !link ||
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    if (link.dataset.open) this.open(link.dataset.open);
    else this.go(address.read(link.href).query);
  }
}
