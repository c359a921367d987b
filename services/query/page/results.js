/** The grid of hits, and what stands in its place: loading, nothing found, an error. */

import { el } from "./dom.js";
import { told } from "./browse_states.js";
import { FAILED } from "./messages.js";
import { RESULTS } from "./messages_search.js";
import { markExpected } from "./expected_line.js";
import { Grid } from "./grid.js";
import { doubt, nothing, problem, skeleton, unasked } from "./result_states.js";
import { tileOf } from "./tile.js";

export class Results {
  #search = null;
  #grid = null;
  #foot = null;
  #told = null;

  /** `actions` are what can be done about a state: `onMore`, `onRetry` and those of `doubt`. */
  constructor(board, api, actions) {
    this.board = board;
    this.api = api;
    this.actions = actions;
  }

  render(search) {
    this.board.setAttribute("aria-busy", String(search.status.startsWith("loading")));
    if (search.status === "idle")
      return search.query.parts.length ? this.#replace(search, unasked()) : this.#forget(search);
    if (search.error && search.hits.length === 0)
      return this.#replace(search, problem(search.error, this.actions));
    if (search.status === "loading") return this.#replace(search, skeleton());
    const why = doubt(search, this.actions);
    if (search.shown.length === 0)
      return this.#replace(search, why ?? nothing(search, this.actions));
    return this.#draw(search, why);
  }

  /** Puts the focus on a hit, where the grid shows it. */
  focus(id) {
    this.#grid?.focus(this.#search.shown.findIndex((hit) => hit.id === id));
  }

  anchor() {
    return this.#grid?.anchor() ?? null;
  }

  /** Scrolls to an anchor where its hit is still one, else to `top`. */
  restore(anchor, top) {
    if (!anchor || !this.#grid?.restore(anchor)) window.scrollTo(0, top);
  }

  /** Draws hits anew whose tags are others. */
  renew(ids) {
    this.#grid?.renew(new Set(ids));
  }

  /** Says which hits are chosen. */
  mark() {
    if (!this.#grid) return;
    for (const tile of this.#grid.list.children) this.#markOne(tile);
  }

  #markOne(tile) {
    const chosen = this.actions.isChosen(tile.dataset.id);
    tile.classList.toggle("chosen", chosen);
    tile.querySelector(".check-mark").setAttribute("aria-pressed", String(chosen));
    return tile;
  }

  /** Draws only what is new, so that loading more leaves the rest, and the focus, where they are. */
  #draw(search, why) {
    if (search !== this.#search || !this.#grid) {
      this.#forget(search);
      this.#grid = new Grid(
        (hit) => markExpected(this.#markOne(tileOf(hit, search, this.api)), hit, search),
        () => search.status === "ready" && this.actions.onMore(),
      );
      this.#told = el("div", {});
      this.#foot = el("div", { class: "foot" });
      this.board.replaceChildren(this.#told, this.#grid.list, this.#foot);
      this.#grid.attach();
    }
    if (this.#told.dataset.for !== String(Boolean(why))) {
      this.#told.dataset.for = String(Boolean(why));
      this.#told.replaceChildren(...(why ? [why] : []));
    }
    this.#grid.show(search.shown, search.more);
    this.#foot.replaceChildren(...this.#footOf(search));
  }

  #footOf(search) {
    if (search.error) {
      return [
        el("div", { class: "error" }, ...told(search.error)),
        el("button", { class: "quiet", type: "button", click: this.actions.onRetry }, FAILED.retry),
      ];
    }
    if (search.more) return [el("p", {}, RESULTS.loadingMore)];
    if (!search.answer.complete && !search.answer.cut_off?.below) {
      return [
        el(
          "p",
          {},
          RESULTS.mayBeMore,
        ),
      ];
    }
    return [el("p", {}, RESULTS.end)];
  }

  #replace(search, ...content) {
    this.#forget(search);
    this.board.replaceChildren(...content);
  }

  #forget(search) {
    this.#grid?.detach();
    this.#search = search;
    this.#grid = this.#foot = this.#told = null;
  }
}
