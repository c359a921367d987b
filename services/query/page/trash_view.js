/** What was deleted, and may be brought back. */

import { failedState, statement, waitingState } from "./browse_states.js";
import { humane } from "./errors.js";
import { localDay } from "./dates.js";
import { el, fill, icon } from "./dom.js";
import { checkMark } from "./gallery_tile.js";
import { Grid } from "./grid.js";
import { DONE, GALLERY, TRASH } from "./messages.js";
import { nameOf } from "./words.js";

const DAY_MS = 86_400_000;

export class TrashView {
  #running = new AbortController();
  #grid = null;
  #images = [];
  #next = null;
  #busy = false;

  constructor(board, { browse, thumbnails, selection, bulk, ask, say }) {
    Object.assign(this, { board, browse, thumbnails, selection, bulk, ask, say });
    selection.subscribe(() => this.#mark());
  }

  async show(search) {
    this.search = search;
    this.selection.scope(this);
    fill(this.board, waitingState());
    await this.refresh();
  }

  hide() {
    this.#running.abort();
    this.#grid?.detach();
    this.#grid = this.search = null;
    this.#images = [];
  }

  image(id) {
    return this.#images.find((one) => one.id === id) ?? null;
  }

  range(from, to) {
    const ids = this.#images.map(({ id }) => id);
    const [a, b] = [ids.indexOf(from), ids.indexOf(to)].sort((one, other) => one - other);
    return a < 0 ? [to] : ids.slice(a, b + 1);
  }

  async all(most) {
    return { images: this.#images.slice(0, most), more: this.#next !== null };
  }

  /** Those that were restored leave. */
  removed(ids) {
    this.#images = this.#images.filter(({ id }) => !ids.has(id));
    this.#draw();
  }

  async refresh() {
    this.#running.abort();
    this.#running = new AbortController();
    try {
      await this.#page(null);
      this.#draw();
    } catch (error) {
      if (error.name !== "AbortError") fill(this.board, failedState(error, () => this.show(this.search)));
    }
  }

  async #page(cursor) {
    const { images, total, next } = await this.browse.trash(cursor, { signal: this.#running.signal });
    this.#images = cursor ? [...this.#images, ...images] : images;
    this.#next = next ?? null;
    this.total = total;
  }

  async #more() {
    if (this.#busy || !this.#next) return;
    this.#busy = true;
    try {
      await this.#page(this.#next);
      this.#draw();
    } catch {
      // It's asked for again when the page is scrolled on.
    }
    this.#busy = false;
  }

  #draw() {
    if (!this.search) return;
    if (!this.#images.length && !this.#next) {
      this.#grid?.detach();
      this.#grid = null;
      return fill(this.board, statement(TRASH.empty));
    }
    if (!this.#grid) {
      this.#grid = new Grid((image) => this.#tile(image), () => this.#more(), { caption: 26, gap: 8, between: 12 });
      fill(this.board, this.#head(), this.#grid.list);
      this.#grid.attach();
    }
    this.#grid.show(this.#images, this.#next !== null);
    this.#mark();
  }

  #head() {
    const button = (words, symbol, click, more = "") => el("button", { type: "button", class: `quiet small ${more}`, click }, icon(symbol), words);
    return el(
      "div",
      { class: "tools" },
      el("p", { class: "view-words" }, TRASH.words(daysOf(this.#images[0]))),
      button(TRASH.restoreAll, "restore", () => this.#restoreAll()),
      button(TRASH.purge, "delete", () => this.#purge(), "danger"),
    );
  }

  #tile(image) {
    const name = nameOf(image);
    const img = el("img", { alt: name, decoding: "async" });
    const tile = el(
      "li",
      { class: "tile trashed", "data-id": image.id },
      el("button", { type: "button", class: "tile-link", "data-select": image.id, "aria-label": GALLERY.select(name) }, img, el("span", { class: "missing" }, icon("missing"), GALLERY.noPreview)),
      checkMark(image.id, name),
      el("p", { class: "name" }, TRASH.deleted(localDay(image.deleted_at))),
    );
    this.thumbnails.add(img, image.id, `v1/trash/${encodeURIComponent(image.id)}/thumbnail`);
    queueMicrotask(() => this.#mark());
    return tile;
  }

  async #restoreAll() {
    const images = [];
    let cursor = null;
    try {
      do {
        const page = await this.browse.trash(cursor);
        images.push(...page.images);
        cursor = page.next;
      } while (cursor);
    } catch (error) {
      return this.say(humane(error).sentence);
    }
    await this.bulk.restore(images);
    await this.refresh();
  }

  async #purge() {
    if (!(await this.ask(TRASH.purgeTitle, [TRASH.purgeWords(this.total)], TRASH.purgeAction))) return;
    try {
      await this.browse.emptyTrash();
      this.say(DONE.emptied);
    } catch (error) {
      this.say(humane(error).sentence);
    }
    await this.refresh();
  }

  #mark() {
    if (!this.#grid) return;
    this.board.classList.toggle("choosing", this.selection.size > 0);
    for (const tile of this.#grid.list.children) {
      const chosen = this.selection.has(tile.dataset.id);
      tile.classList.toggle("chosen", chosen);
      for (const button of tile.querySelectorAll("[data-select]")) button.setAttribute("aria-pressed", String(chosen));
    }
  }
}

function daysOf(image) {
  if (!image?.expires_at) return 0;
  return Math.round((new Date(image.expires_at) - new Date(image.deleted_at)) / DAY_MS);
}
