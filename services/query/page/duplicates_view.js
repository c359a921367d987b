/** Pictures that look the same, group by group, to decide on. */

import { hrefOf } from "./address.js";
import { failedState, statement, waitingState } from "./browse_states.js";
import { cover } from "./cover.js";
import { bytes } from "./collection_words.js";
import { el, fill } from "./dom.js";
import { DuplicatesPlan } from "./duplicates_plan.js";
import { DUPLICATES } from "./messages.js";
import { look } from "./query.js";
import { nameOf, percent } from "./words.js";

const AT_ONCE = 12;

export class DuplicatesView {
  #running = new AbortController();
  #images = new Map();
  #groups = [];

  constructor(board, { browse, api, thumbnails, bulk }) {
    this.board = board;
    this.browse = browse;
    this.api = api;
    this.thumbnails = thumbnails;
    this.bulk = bulk;
    this.plan = new DuplicatesPlan({ api, browse, bulk }, () => this.refresh());
  }

  show(search) {
    this.search = search;
    this.plan.forget();
    this.#list = el("ol", { class: "groups" });
    this.#foot = el("div", { class: "foot", role: "status" });
    this.#groups = [];
    fill(this.board, waitingState());
    return this.#load(null, 0);
  }

  #list = null;
  #foot = null;

  hide() {
    this.#running.abort();
    this.search = null;
  }

  around(id) {
    const group = this.#groups.find((one) => one.some((image) => image.id === id));
    if (!group) return null;
    const at = group.findIndex((image) => image.id === id);
    return { image: group[at], around: { at, of: group.length, previous: group[at - 1]?.id, next: group[at + 1]?.id } };
  }

  removed(ids) {
    for (const group of this.#groups) {
      const left = group.filter(({ id }) => !ids.has(id));
      if (left.length === group.length) continue;
      group.splice(0, group.length, ...left);
      group.element?.remove();
    }
    this.#groups = this.#groups.filter((group) => group.length > 1);
    // The deletions left are another plan. Where it can't be had, the next one is refused.
    if (this.byPlan) this.plan.page(null).catch(() => {});
    this.#told();
  }

  refresh() {
    if (this.search) this.show(this.search);
  }

  /** A page of the service may be empty and yet not the last one: it looks for two seconds. */
  async #load(cursor, found) {
    this.#running.abort();
    const { signal } = (this.#running = new AbortController());
    try {
      let next = cursor;
      do {
        const page = await this.#page(next, signal);
        if (!this.#list.isConnected) fill(this.board, el("p", { class: "view-words" }, DUPLICATES.words), this.plan.element, this.#list, this.#foot);
        for (const alike of page.groups) {
          const group = await this.#known(alike, signal);
          if (group.length < 2) continue;
          this.#groups.push(group);
          this.#list.append(this.#group(group));
          found += 1;
        }
        next = page.next;
        fill(this.#foot, next && el("p", {}, `${DUPLICATES.looking}. ${DUPLICATES.looked(page.looked_at, page.clusters)}`));
      } while (next && found < AT_ONCE && !signal.aborted);
      this.next = next;
      this.#told();
    } catch (error) {
      if (error.name !== "AbortError") fill(this.board, failedState(error, () => this.show(this.search)));
    }
  }

  /** Groups that were compared, by the plan; else those whose features are alike. */
  async #page(cursor, signal) {
    if (cursor === null || this.byPlan) {
      const page = await this.plan.page(cursor, signal);
      this.byPlan = page !== null;
      if (page) return page;
    }
    return this.browse.duplicates(cursor, signal);
  }

  #told() {
    if (!this.#groups.length && !this.next) return fill(this.board, this.plan.element, statement(DUPLICATES.empty));
    fill(this.#foot, this.next && el("button", { type: "button", class: "quiet", click: () => this.#load(this.next, 0) }, DUPLICATES.more));
  }

  /** The images of a group, the largest first; one that is gone by now is left out. */
  async #known(alike, signal) {
    const images = await Promise.all(
      alike.map(async ({ id, score, kind, goes }, at) => {
        try {
          const image = this.#images.get(id) ?? (await this.api.image(id, signal));
          this.#images.set(id, image);
          return Object.assign(image, { alike: score, kind, goes, isKept: at === 0 });
        } catch (error) {
          if (error.name === "AbortError") throw error;
          return null;
        }
      }),
    );
    const there = images.filter(Boolean);
    // A plan says itself which picture stays.
    return this.byPlan ? there : there.sort((a, b) => weight(b) - weight(a));
  }

  #group(group) {
    const title = el("h2", {}, DUPLICATES.group(group.length));
    group.element = el(
      "li",
      { class: "group" },
      el(
        "header",
        {},
        title,
        el("button", { type: "button", class: "quiet small", click: () => this.#keepAll(group) }, DUPLICATES.keepAll),
      ),
      el("ul", { class: "alike" }, ...group.map((image, at) => this.#one(group, image, at))),
    );
    return group.element;
  }

  #one(group, image, at) {
    const img = el("img", { alt: "", decoding: "async" });
    cover(img, this.thumbnails, async () => image.id);
    const { width, height, bytes: size } = image.file ?? {};
    const facts = [width && `${width} × ${height}`, size && bytes(Number(size))].filter(Boolean).join(", ");
    return el(
      "li",
      {},
      el("a", { class: "cover", href: hrefOf(look("duplicates"), image.id), "data-open": image.id, "aria-label": nameOf(image) }, img, at === 0 && el("span", { class: "best" }, this.byPlan ? DUPLICATES.kept : DUPLICATES.best)),
      el("p", { class: "name", title: image.uri }, nameOf(image)),
      el("p", { class: "soft" }, facts || DUPLICATES.alike(percent(image.alike))),
      image.kind && el("p", { class: `kind ${image.kind}` }, DUPLICATES.kinds[image.kind], image.goes ? ` · ${DUPLICATES.goes}` : ""),
      el("button", { type: "button", class: "quiet small", click: () => this.#keep(group, image) }, DUPLICATES.keepBest),
    );
  }

  async #keep(group, kept) {
    await this.bulk.remove(group.filter((image) => image !== kept));
  }

  #keepAll(group) {
    const next = group.element.nextElementSibling ?? group.element.previousElementSibling;
    group.element.remove();
    if (this.byPlan) this.plan.spare(group);
    this.#groups = this.#groups.filter((one) => one !== group);
    next?.querySelector("button").focus();
    this.#told();
  }
}

/** The one with the most pixels, then the most bytes. */
function weight({ file }) {
  return Number(file?.width ?? 0) * Number(file?.height ?? 0) * 1e6 + Number(file?.bytes ?? 0);
}
