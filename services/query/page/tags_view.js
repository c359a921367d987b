/** All tags by pages, each with a picture, to look at and to rename. */

import { hrefOf } from "./address.js";
import { failedState, statement, told, waitingState } from "./browse_states.js";
import { cover } from "./cover.js";
import { el, fill, icon } from "./dom.js";
import { AUDIT, LABELS, PICTURES, SELECTION, TAGS } from "./messages.js";
import { JUDGING } from "./messages_judging.js";
import { by, look, part } from "./query.js";

const PAGE = 60;
const PAUSE_MS = 150;

export class TagsView {
  #running = new AbortController();
  #list = el("ul", { class: "cards", "aria-label": TAGS.title });
  #foot = el("div", { class: "foot" });
  #asked = { match: "", sort: "count" };

  constructor(board, { browse, thumbnails, bulk, api, dialog }) {
    this.board = board;
    this.browse = browse;
    this.thumbnails = thumbnails;
    this.bulk = bulk;
    this.api = api;
    this.dialog = dialog;
  }

  async show(search) {
    this.search = search;
    fill(this.board, waitingState());
    await this.#load(null);
    if (search === this.search && search.top) window.scrollTo(0, search.top);
  }

  hide() {
    this.#running.abort();
    this.search = null;
  }

  refresh() {
    return this.#load(null);
  }

  async #load(cursor) {
    this.#running.abort();
    const { signal } = (this.#running = new AbortController());
    try {
      const wanted = cursor ? PAGE : Math.max(PAGE, this.search.wantedTags ?? 0);
      const page = await this.browse.tags({ ...this.#asked, covers: true, limit: Math.min(1000, wanted), cursor }, signal);
      if (signal.aborted) return;
      if (!page.tags.length && !cursor && !this.#asked.match) return fill(this.board, statement(TAGS.empty, el("a", { class: "quiet small", href: hrefOf(look("labels")), "data-search": true }, LABELS.link)));
      this.#draw(page, cursor !== null);
    } catch (error) {
      if (error.name !== "AbortError") fill(this.board, failedState(error, () => this.#load(null)));
    }
  }

  #draw({ tags, next, total }, more) {
    if (!this.#list.isConnected) fill(this.board, this.#tools(), this.#list, this.#foot);
    const cards = tags.map((tag) => this.#card(tag));
    if (more) this.#list.append(...cards);
    else fill(this.#list, ...cards);
    this.search.wantedTags = this.#list.children.length;
    fill(
      this.#foot,
      !tags.length && !more && el("p", {}, TAGS.none),
      next && el("button", { type: "button", class: "quiet", click: () => this.#more(next) }, TAGS.more),
    );
    this.#foot.dataset.total = total ?? "";
  }

  async #more(next) {
    const at = this.#list.children.length;
    await this.#load(next);
    this.#list.children[at]?.querySelector("a").focus({ preventScroll: true });
  }

  #tools() {
    let timer = 0;
    const find = el("input", { type: "search", class: "find", placeholder: TAGS.find, "aria-label": TAGS.find, value: this.#asked.match });
    find.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        this.#asked.match = find.value.trim();
        this.#load(null);
      }, PAUSE_MS);
    });
    const order = (sort, words) =>
      el("button", { type: "button", "aria-pressed": String(this.#asked.sort === sort), click: (event) => {
        this.#asked.sort = sort;
        for (const one of event.target.parentElement.children) one.setAttribute("aria-pressed", String(one === event.target));
        this.#load(null);
      } }, words);
    const orders = el("div", { class: "segments", role: "group", "aria-label": TAGS.order }, order("count", TAGS.byCount), order("name", TAGS.byName));
    const link = (view, words) => el("a", { class: "quiet small", href: hrefOf(look(view)), "data-search": true }, words);
    const others = [link("labels", LABELS.link), link("wrong-tags", AUDIT.link), link("judge", JUDGING.link)];
    return el("div", { class: "tools" }, find, ...others, el("span", { class: "room" }), orders);
  }

  #card({ tag, count, cover: id }) {
    const img = el("img", { alt: "", decoding: "async" });
    cover(img, this.thumbnails, async () => id);
    return el(
      "li",
      { class: "card" },
      el(
        "a",
        { href: hrefOf(by([part("term", tag)])), "data-search": true },
        el("span", { class: "cover" }, img),
        el("strong", {}, tag),
        el("span", { class: "soft" }, PICTURES(count)),
      ),
      el("button", { type: "button", class: "round card-edit", "aria-label": TAGS.rename(tag), click: () => this.#rename(tag) }, icon("edit")),
    );
  }

  #rename(tag) {
    const input = el("input", { id: "tag-name", type: "text", maxlength: 200, required: true, value: tag, autocapitalize: "none" });
    const error = el("div", { class: "form-error", role: "alert" });
    const submit = el("button", { type: "submit", class: "submit" }, TAGS.renameAction);
    const form = el(
      "form",
      {
        submit: async (event) => {
          event.preventDefault();
          const to = input.value.trim();
          if (!to || to === tag) return this.dialog.close();
          submit.disabled = true;
          try {
            await this.bulk.rename(tag, to);
            this.dialog.close();
            await this.refresh();
          } catch (failure) {
            fill(error, ...told(failure));
          }
          submit.disabled = false;
        },
      },
      el("h2", { id: "bulk-title" }, TAGS.renameTitle),
      el("p", {}, TAGS.renameWords),
      el("label", { for: "tag-name" }, TAGS.renameField),
      input,
      error,
      el("div", { class: "buttons" }, el("button", { type: "button", class: "quiet", click: () => this.dialog.close() }, SELECTION.cancel), submit),
    );
    this.dialog.replaceChildren(form);
    this.dialog.showModal();
    input.select();
  }
}
