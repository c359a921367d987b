/** What pictures show, as the model's classifier names it: to look at, and to take over as tags. */

import { hrefOf } from "./address.js";
import { failedState, statement, waitingState } from "./browse_states.js";
import { cover } from "./cover.js";
import { el, fill, icon } from "./dom.js";
import { humane } from "./errors.js";
import { LEAST } from "./fact_facets.js";
import { LABELS, PICTURES } from "./messages.js";
import { look } from "./query.js";

const MOST = 1000;
const PAUSE_MS = 150;

export class LabelsView {
  #running = new AbortController();
  #list = el("ul", { class: "cards", "aria-label": LABELS.title });
  #foot = el("div", { class: "foot" });
  #match = "";

  constructor(board, { browse, thumbnails, say, ask }) {
    Object.assign(this, { board, browse, thumbnails, say, ask });
  }

  async show(search) {
    this.search = search;
    fill(this.board, waitingState());
    await this.refresh();
    if (search === this.search && search.top) window.scrollTo(0, search.top);
  }

  hide() {
    this.#running.abort();
    this.search = null;
  }

  async refresh() {
    this.#running.abort();
    const { signal } = (this.#running = new AbortController());
    try {
      const { labels } = await this.browse.labels(this.#match, LEAST, MOST, signal);
      if (signal.aborted) return;
      if (!labels.length && !this.#match) return fill(this.board, statement(LABELS.empty));
      if (!this.#list.isConnected) fill(this.board, this.#tools(), this.#list, this.#foot);
      fill(this.#list, ...labels.map((label) => this.#card(label)));
      fill(this.#foot, !labels.length && el("p", {}, LABELS.none));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.board, failedState(error, () => this.refresh()));
    }
  }

  #tools() {
    let timer = 0;
    const find = el("input", { type: "search", class: "find", placeholder: LABELS.find, "aria-label": LABELS.find, value: this.#match });
    find.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        this.#match = find.value.trim();
        this.refresh();
      }, PAUSE_MS);
    });
    return el("div", { class: "tools" }, find, el("p", { class: "view-words" }, LABELS.words));
  }

  #card({ name, images, untagged }) {
    const filter = { must: [{ label: name, least: LEAST }], should: [], must_not: [] };
    const img = el("img", { alt: "", decoding: "async" });
    cover(img, this.thumbnails, async () => (await this.browse.images({ filter, sort: "-taken", limit: 1 })).images[0]?.id);
    const accept = Number(untagged) > 0 && el(
      "button",
      { type: "button", class: "round card-edit", "aria-label": LABELS.accept(name), title: LABELS.accept(name), click: () => this.#accept(name, Number(untagged), accept) },
      icon("tag"),
    );
    return el(
      "li",
      { class: "card" },
      el(
        "a",
        { href: hrefOf(look("photos", { filter })), "data-search": true },
        el("span", { class: "cover" }, img),
        el("strong", {}, name),
        el("span", { class: "soft" }, PICTURES(images)),
      ),
      accept,
    );
  }

  async #accept(name, pictures, button) {
    if (!(await this.ask(...LABELS.question(name, pictures)))) return;
    button.disabled = true;
    try {
      await this.browse.acceptLabel(name, LEAST);
      this.say(LABELS.accepted(name));
    } catch (error) {
      button.disabled = false;
      this.say(humane(error).sentence);
    }
  }
}
