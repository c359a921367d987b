/** A hit, large: its picture, what is known of it, what it is like, and what can be done with it. */

import { told } from "./browse_states.js";
import { el, icon } from "./dom.js";
import { withFrames } from "./framed_text.js";
import { isFavourite } from "./gallery_tile.js";
import { HitFacts } from "./hit_facts.js";
import { HitReasons, framed } from "./hit_reasons.js";
import { judgeQuestion } from "./judge_question.js";
import { LARGE, SELECTION } from "./messages.js";
import { strip } from "./strip.js";
import { picture } from "./thumbnail.js";
import { isVideo, player } from "./video.js";
import { closeness, nameOf, percent } from "./words.js";
import { Why } from "./why.js";
import { Zoom } from "./zoom.js";

export class HitView {
  #hit = null;
  #search = null;
  #around = {};
  #asked = new AbortController();
  #parts = {};

  /**
   * `actions`: `onMove(id)`, `onClose(id)`, `onLike(hit)`, `onExclude(hit)`, `onShare(hit)`,
   * `onFavourite(hit)`, `onDelete(hit, around)` and `onRetagged(hit, tags)`.
   */
  constructor(dialog, api, sources, actions) {
    this.dialog = dialog;
    this.api = api;
    this.sources = sources;
    this.actions = actions;
    this.reasons = new HitReasons(api, sources);
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.actions.onClose(this.#hit.id);
    });
    dialog.addEventListener("keydown", (event) => this.#key(event));
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) this.actions.onClose(this.#hit.id);
    });
  }

  get hit() {
    return this.dialog.open ? this.#hit : null;
  }

  /** `around`: {at, of, previous, next}, where the hit is one of the search's. */
  show(hit, search, around) {
    if (this.hit === hit && this.#search === search) return this.place(around);
    // From picture to picture of a search, the reasons stay open.
    const explained = search === this.#search && this.#parts.why?.getAttribute("aria-pressed") === "true";
    this.#asked.abort();
    this.#asked = new AbortController();
    this.reasons.stop();
    this.#hit = hit;
    this.#search = search;
    this.sources.know(hit);
    const drawn = this.#drawn();
    if (document.fullscreenElement) {
      // The stage stays the same element, else full screen would end.
      const stage = document.fullscreenElement;
      stage.replaceChildren(this.#parts.other, this.#parts.figure);
      drawn[1] = stage;
      const [header, , ...rest] = drawn;
      for (const child of [...this.dialog.children]) if (child !== stage && !child.matches(".undo")) child.remove();
      stage.before(header);
      stage.after(...rest);
      this.zoom.reset();
    } else {
      const toast = this.dialog.querySelector(".undo");
      this.dialog.replaceChildren(...drawn, ...(toast ? [toast] : []));
      this.zoom = new Zoom(drawn[1], () => drawn[1].querySelectorAll(".shown"), (by) => this.#move(by > 0 ? "next" : "previous"));
    }
    this.reasons.of(hit, search.query, this.#parts);
    this.place(around);
    const fresh = !this.dialog.open;
    if (fresh) this.dialog.showModal();
    if (explained && this.#parts.why) this.reasons.toggle();
    this.dialog.scrollTop = 0;
    this.#parts.title.focus({ preventScroll: true });
    document.documentElement.classList.add("covered");
  }

  close() {
    if (!this.dialog.open) return;
    this.#asked.abort();
    this.reasons.stop();
    this.dialog.close();
    if (document.fullscreenElement) document.exitFullscreen();
    // What was just done, and the way back, are told beyond the dialog.
    const toast = this.dialog.querySelector(".undo");
    if (toast) document.body.append(toast);
    this.dialog.replaceChildren();
    this.#search = null;
    document.documentElement.classList.remove("covered");
  }

  /** The picture's tags are others. */
  renew() {
    if (!this.hit) return;
    const { known } = this.#parts;
    const focused = known.contains(document.activeElement);
    known.replaceWith((this.#parts.known = this.#facts()));
    if (focused) this.#parts.known.querySelector(".edit").focus();
    this.#heart();
  }

  remove() {
    return this.actions.onDelete(this.#hit, this.#around);
  }

  #facts() {
    const hit = this.#hit;
    return new HitFacts(this.api, hit, this.#search.query, (tags, undo) => this.actions.onRetagged(hit, tags, undo)).drawn();
  }

  #heart() {
    const on = isFavourite(this.#hit);
    const { heart } = this.#parts;
    heart.setAttribute("aria-pressed", String(on));
    heart.classList.toggle("on", on);
    heart.setAttribute("aria-label", on ? SELECTION.unfavourite : SELECTION.favourite);
  }

  #tool(words, symbol, click, more = {}) {
    return el("button", { type: "button", class: "round", "aria-label": words, title: words, click, ...more }, icon(symbol));
  }

  #fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.dialog.querySelector(".stage").requestFullscreen?.();
  }

  #info() {
    const hidden = this.dialog.classList.toggle("no-info");
    this.#parts.info.setAttribute("aria-pressed", String(!hidden));
  }

  #drawn() {
    const hit = this.#hit;
    const name = nameOf(hit);
    const { signal } = this.#asked;
    const parts = (this.#parts = {
      title: el("h2", { id: "hit-title", tabindex: -1 }, name),
      place: el("p", { class: "place" }),
      previous: this.#step("previous", LARGE.previous, "left"),
      next: this.#step("next", LARGE.next, "right"),
      heart: this.#tool(SELECTION.favourite, "heart", () => this.actions.onFavourite(hit), { class: "round heart-button" }),
      info: this.#tool(LARGE.info, "info", () => this.#info(), {
        "aria-pressed": String(!this.dialog.classList.contains("no-info")),
      }),
      figure: withFrames(framed(el("figure", { class: "shown" }), (isVideo(hit) ? player : picture)(this.api, hit, name), hit.ratio), hit),
      other: el("figure", { class: "shown other", hidden: true }),
      words: el("div", { class: "why-words", role: "status" }),
    });
    this.#heart();
    parts.known = this.#facts();
    return [
      el(
        "header",
        { class: "large-top" },
        parts.place,
        parts.previous,
        parts.next,
        el("span", { class: "room" }),
        parts.heart,
        this.#tool(LARGE.share, "share", () => this.actions.onShare(hit)),
        this.#tool(LARGE.zoomIn, "plus", () => this.zoom.by(1), { class: "round wide-only" }),
        this.#tool(LARGE.zoomOut, "minus", () => this.zoom.by(-1), { class: "round wide-only" }),
        this.#tool(LARGE.fullScreen, "full", () => this.#fullScreen(), { class: "round wide-only" }),
        parts.info,
        el(
          "button",
          {
            type: "button",
            class: "round",
            "aria-label": LARGE.close,
            click: () => this.actions.onClose(hit.id),
          },
          icon("close"),
        ),
      ),
      el("div", { class: "stage" }, parts.other, parts.figure),
      el(
        "div",
        { class: "about" },
        parts.title,
        this.#closeness(),
        judgeQuestion(this.api, this.#search.query, hit),
        this.#actions(),
        parts.words,
        parts.known,
      ),
      strip(this.api, hit, signal, (other) => this.actions.onMove(other.id)),
    ];
  }

  #closeness() {
    const { answer } = this.#search;
    const hit = this.#hit;
    if (!answer || hit.score === undefined) return null;
    const chance = hit.probability == null ? "" : `, ${percent(hit.probability)}`;
    return el(
      "p",
      { class: "close-by" },
      el("strong", {}, closeness(hit, answer.metric, answer.mode) + chance),
      el("span", {}, LARGE.relevance((hit.relevance ?? hit.score).toFixed(3))),
    );
  }

  #actions() {
    const hit = this.#hit;
    const button = (words, symbol, click, more = {}) =>
      el("button", { type: "button", class: "action", click, ...more }, icon(symbol), words);
    const parts = Why.partsOf(this.#search.query);
    this.#parts.actions = el(
      "div",
      { class: "actions" },
      button(LARGE.like, "like", () => this.actions.onLike(hit)),
      this.#search.query.parts.length > 0 &&
        button(LARGE.leaveOut, "minus", () => this.actions.onExclude(hit)),
      parts.length > 0 &&
        (this.#parts.why = button(LARGE.why, "heat", () => this.reasons.toggle(), {
          "aria-pressed": "false",
        })),
      hit.uris.length > 0 && button(LARGE.download, "download", () => this.#download()),
      button(LARGE.remove, "delete", () => this.remove(), { class: "action danger" }),
    );
    return this.#parts.actions;
  }

  async #download() {
    const hit = this.#hit;
    const name = nameOf(hit);
    const url = this.api.fileUrl(hit.id);
    try {
      // A video may be too large to be held by the page.
      if (isVideo(hit)) await this.api.allowFile(hit.id);
      if (this.api.key === null || isVideo(hit)) return el("a", { href: url, download: name }).click();
      const blobUrl = URL.createObjectURL(await this.api.blob(url));
      el("a", { href: blobUrl, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(blobUrl), 60_000);
    } catch (error) {
      this.#parts.words.replaceChildren(el("div", { class: "error" }, ...told(error)));
    }
  }

  #step(which, words, symbol) {
    return el(
      "button",
      {
        type: "button",
        class: "round",
        ...{ "aria-label": words, click: () => this.#move(which) },
      },
      icon(symbol),
    );
  }

  #move(which) {
    if (this.#around[which]) this.actions.onMove(this.#around[which]);
  }

  place(around) {
    this.#around = around;
    const { place, previous, next } = this.#parts;
    place.textContent = around.at === undefined ? "" : LARGE.place(around.at + 1, around.of);
    previous.disabled = !around.previous;
    next.disabled = !around.next;
  }

  #key(event) {
    if (event.target.closest("input, [role=listbox], .tag-editor") || event.altKey || event.ctrlKey) return;
    if (event.metaKey || event.target.closest("textarea")) return;
    const does = {
      ArrowLeft: () => this.#move("previous"),
      ArrowRight: () => this.#move("next"),
      "+": () => this.zoom.by(1),
      "=": () => this.zoom.by(1),
      "-": () => this.zoom.by(-1),
      0: () => this.zoom.reset(),
      i: () => this.#info(),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }
}
