/** Tags that look wrong, or that pictures seem to lack: those that tell most first, one click each. */

import { hrefOf } from "./address.js";
import { failedState, statement, waitingState } from "./browse_states.js";
import { cover } from "./cover.js";
import { Dismissed } from "./dismissed.js";
import { el, fill, icon } from "./dom.js";
import { AUDIT } from "./messages.js";
import { look } from "./query.js";
import { normalForm } from "./tag_text.js";
import { nameOf } from "./words.js";

const MOST = 200;
/** Views of the address, and what the service calls them. */
export const AUDITS = { "wrong-tags": "wrong", "missing-tags": "missing" };

export class AuditView {
  #running = new AbortController();
  #list = el("ol", { class: "audit" });
  #foot = el("div", { class: "foot" });
  /** What is shown: {kind, tag, rather, image, element}; an image has the tags that are known of it. */
  #rows = [];

  constructor(board, { browse, thumbnails, bulk }) {
    this.board = board;
    this.browse = browse;
    this.thumbnails = thumbnails;
    this.bulk = bulk;
    this.dismissed = new Dismissed();
  }

  async show(search) {
    this.search = search;
    fill(this.board, waitingState());
    await this.#load();
    if (search === this.search && search.top) window.scrollTo(0, search.top);
  }

  hide() {
    this.#running.abort();
    this.search = null;
    this.#rows = [];
  }

  refresh() {
    return this.#load();
  }

  /** Pictures went to the trash. */
  removed(ids) {
    this.#leave(this.#rows.filter(({ image }) => ids.has(image.id)));
  }

  /** What was decided leaves the list; what was taken back is there again. */
  retagged(ids) {
    for (const row of this.#rows) if (ids.includes(row.image.id)) row.element.hidden = isDone(row);
    this.#told();
  }

  focus(id) {
    this.#rows.find(({ image }) => image.id === id)?.element.querySelector("a").focus({ preventScroll: true });
  }

  async #load() {
    this.#running.abort();
    const { signal } = (this.#running = new AbortController());
    const kind = AUDITS[this.search.query.view];
    try {
      const page = await this.browse.audit(kind, MOST, signal);
      if (signal.aborted) return;
      const found = page.found.filter((one) => !this.dismissed.has(keyOf(kind, one)));
      this.#rows = found.map((one) => this.#row(kind, one));
      this.page = page;
      fill(this.#list, ...this.#rows.map(({ element }) => element));
      this.#list.setAttribute("aria-label", AUDIT.titles[kind]);
      fill(this.board, this.#kinds(), el("p", { class: "view-words" }, AUDIT.words[kind]), this.#list, this.#foot);
      this.#told();
    } catch (error) {
      if (error.name !== "AbortError") fill(this.board, this.#kinds(), failedState(error, () => this.show(this.search)));
    }
  }

  /** Each kind has its address. */
  #kinds() {
    const { view } = this.search.query;
    return el(
      "div",
      { class: "tools" },
      el(
        "nav",
        { class: "segments", "aria-label": AUDIT.kinds },
        ...Object.entries(AUDITS).map(([name, kind]) =>
          el("a", { href: hrefOf(look(name)), "data-search": true, "aria-current": name === view ? "page" : null }, AUDIT.titles[kind]),
        ),
      ),
    );
  }

  #told() {
    const left = this.#rows.some(({ element }) => !element.hidden);
    if (left) return fill(this.#foot, el("p", {}, AUDIT.compared(this.page.tags, this.page.images)));
    const kind = AUDITS[this.search.query.view];
    const again = this.#rows.length > 0 && el("button", { type: "button", class: "quiet", click: () => this.show(this.search) }, AUDIT.again);
    fill(this.#foot, statement(this.#rows.length ? AUDIT.done : AUDIT.empty[kind], again));
  }

  #row(kind, { id, uri, tag, rather }) {
    const image = { id, uri, tags: kind === "wrong" ? [tag] : [] };
    const row = { kind, tag, rather, image };
    const img = el("img", { alt: "", decoding: "async" });
    cover(img, this.thumbnails, async () => id);
    const name = nameOf(image);
    const wrong = kind === "wrong";
    row.element = el(
      "li",
      {},
      el("a", { class: "cover", href: hrefOf(look(this.search.query.view), id), "data-open": id, "aria-label": name }, img),
      el(
        "div",
        { class: "doubted" },
        el("p", {}, el("span", { class: "chip" }, tag), el("span", { class: "soft" }, rather ? AUDIT.rather(rather) : AUDIT.lacks)),
        el("p", { class: "name", title: uri }, name),
      ),
      el(
        "div",
        { class: "buttons" },
        el(
          "button",
          { type: "button", class: "quiet small", "aria-label": AUDIT.keepOf(kind, tag, name), click: () => this.#dismiss(row) },
          AUDIT.keep[kind],
        ),
        el(
          "button",
          { type: "button", class: "submit small", "aria-label": AUDIT.actionOf(kind, tag, name), click: () => this.#decide(row) },
          icon(wrong ? "untag" : "tag"),
          AUDIT.action[kind],
        ),
      ),
    );
    return row;
  }

  #decide(row) {
    this.#next(row);
    return row.kind === "wrong" ? this.bulk.untag([row.image], row.tag) : this.bulk.tag([row.image], row.tag);
  }

  /** It is as it should be, and isn't asked about again here. */
  #dismiss(row) {
    this.dismissed.add(keyOf(row.kind, { id: row.image.id, tag: row.tag }));
    this.#next(row);
    this.#leave([row]);
  }

  #leave(rows) {
    for (const { element } of rows) element.remove();
    // Those that were decided stay, as they may come back.
    this.#rows = this.#rows.filter((row) => !rows.includes(row));
    if (this.search) this.#told();
  }

  /** The keyboard goes on with the same button of the row after it. */
  #next(row) {
    const at = [...row.element.querySelectorAll("button")].indexOf(document.activeElement);
    if (at < 0) return;
    const shown = this.#rows.filter(({ element }) => !element.hidden);
    const here = shown.indexOf(row);
    const other = shown[here + 1] ?? shown[here - 1];
    (other?.element.querySelectorAll("button")[at] ?? this.board).focus();
  }
}

function isDone({ kind, tag, image }) {
  const carried = image.tags.some((one) => normalForm(one) === normalForm(tag));
  return carried === (kind === "missing");
}

function keyOf(kind, { id, tag }) {
  return JSON.stringify([kind, id, normalForm(tag)]);
}
