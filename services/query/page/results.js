/** The grid of hits, and what stands in its place: loading, nothing found, an error. */

import { el } from "./dom.js";
import { hitCard } from "./hit.js";

const SKELETON = [1.33, 1.33, 0.75, 1.33, 1, 1.33, 0.75, 1.33, 1.33, 1];

export class Results {
  #shown = null;
  #status = null;
  #drawn = 0;
  #grid = null;
  #foot = null;

  constructor(board, api, { onMore, onRetry }) {
    this.board = board;
    this.api = api;
    this.onMore = onMore;
    this.onRetry = onRetry;
  }

  render(search) {
    this.board.setAttribute("aria-busy", String(search.status.startsWith("loading")));
    if (search.error && search.hits.length === 0)
      return this.#replace(search, this.#error(search.error));
    if (search.status === "idle") return this.#forget();
    if (search.status === "loading") return this.#replace(search, skeleton());
    if (search.hits.length === 0) return this.#replace(search, nothing(search));
    return this.#draw(search);
  }

  /** Draws only what is new, so that loading more leaves the rest, and the focus, where they are. */
  #draw(search) {
    if (search !== this.#shown || !this.#grid) {
      this.#grid = el("ol", { class: "hits" });
      this.#foot = el("div", { class: "foot" });
      this.board.replaceChildren(this.#grid, this.#foot);
      this.#shown = search;
      this.#drawn = 0;
    }
    const fresh = search.hits.slice(this.#drawn).map((hit) => hitCard(hit, search, this.api));
    this.#grid.append(...fresh);
    if (this.#drawn > 0) fresh[0]?.querySelector("a").focus({ preventScroll: true });
    this.#drawn = search.hits.length;
    if (search.status !== this.#status || fresh.length)
      this.#foot.replaceChildren(...this.#footOf(search));
    this.#status = search.status;
  }

  #footOf(search) {
    const loading = search.status === "loading-more";
    if (search.error) {
      return [
        el("p", { class: "error" }, `${search.error.title}. ${search.error.message}`),
        el("button", { class: "quiet", type: "button", click: this.onRetry }, "Try again"),
      ];
    }
    if (search.more || loading) {
      return [
        el(
          "button",
          { class: "more quiet", type: "button", disabled: loading, click: this.onMore },
          loading ? "Loading" : "Load more",
        ),
      ];
    }
    if (!search.answer.complete) {
      return [
        el(
          "p",
          {},
          "There may be more: the search stopped before it had looked everywhere. Exact looks everywhere.",
        ),
      ];
    }
    return [el("p", {}, "That is all.")];
  }

  #replace(search, ...content) {
    this.#forget();
    this.#shown = search;
    this.board.replaceChildren(...content);
  }

  #forget() {
    this.#shown = this.#grid = this.#status = null;
    this.#drawn = 0;
  }

  #error(error) {
    return el(
      "div",
      { class: error.passing ? "state error" : "state" },
      el("h2", {}, error.title),
      el("p", {}, error.message),
      error.passing &&
        el("button", { class: "quiet", type: "button", click: this.onRetry }, "Try again"),
      error.requestId && el("p", { class: "request-id" }, `Request ${error.requestId}`),
    );
  }
}

function skeleton() {
  const tiles = SKELETON.map((ratio) => {
    const tile = el(
      "li",
      { class: "hit" },
      el("div", { class: "picture" }),
      el("div", { class: "caption" }),
    );
    tile.style.setProperty("--ratio", ratio);
    return tile;
  });
  return el("ol", { class: "hits skeleton", "aria-hidden": "true" }, ...tiles);
}

function nothing(search) {
  const word = search.query.kind === "term";
  return el(
    "div",
    { class: "state" },
    el("h2", {}, "No images found"),
    el(
      "p",
      {},
      word
        ? `Nothing in the collection matches “${search.query.term}”. Try another word, or a picture.`
        : "Nothing in the collection comes near this picture.",
    ),
  );
}
