/** What can be done with the chosen pictures. */

import { Completion } from "./completion.js";
import { el, fill, icon } from "./dom.js";
import { isFavourite } from "./gallery_tile.js";
import { SELECTION } from "./messages.js";

export class SelectionBar {
  constructor(bar, dialog, selection, bulk, api) {
    this.bar = bar;
    this.dialog = dialog;
    this.selection = selection;
    this.bulk = bulk;
    this.api = api;
    this.trash = false;
    this.count = el("strong", { role: "status" });
    selection.subscribe(() => this.#draw());
  }

  /** Asks for a tag to add to the chosen pictures. */
  tag() {
    const { images } = this.selection;
    const input = el("input", {
      id: "bulk-tag",
      type: "text",
      maxlength: 200,
      required: true,
      autocomplete: "off",
      autocapitalize: "none",
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": "bulk-completions",
    });
    const list = el("ul", { class: "completions", id: "bulk-completions", role: "listbox", "aria-label": SELECTION.tagField, hidden: true });
    const take = (tag) => {
      this.dialog.close();
      if (tag.trim()) this.bulk.tag(images, tag.trim());
    };
    new Completion(input, list, this.api, take);
    const form = el(
      "form",
      { method: "dialog", submit: () => take(input.value) },
      el("h2", { id: "bulk-title" }, SELECTION.addTitle(images.length)),
      el("label", { for: "bulk-tag" }, SELECTION.tagField),
      el("div", { class: "tag-field" }, input, list),
      this.#buttons(SELECTION.add),
    );
    this.dialog.replaceChildren(form);
    this.dialog.showModal();
    input.focus();
  }

  /** Offers the tags of the chosen pictures to be taken off. */
  untag() {
    const { images } = this.selection;
    const counts = new Map();
    for (const { tags } of images) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    const tags = [...counts].sort(([, a], [, b]) => b - a).slice(0, 60);
    const form = el(
      "form",
      { method: "dialog" },
      el("h2", { id: "bulk-title" }, SELECTION.removeTitle(images.length)),
      tags.length
        ? el(
            "ul",
            { class: "tags", "aria-label": SELECTION.commonTags },
            ...tags.map(([tag, carriers]) =>
              el(
                "li",
                {},
                el(
                  "button",
                  {
                    type: "button",
                    class: "chip large-chip",
                    click: () => {
                      this.dialog.close();
                      this.bulk.untag(images.filter((image) => image.tags.includes(tag)), tag);
                    },
                  },
                  tag,
                  el("span", { class: "count" }, String(carriers)),
                ),
              ),
            ),
          )
        : el("p", {}, SELECTION.nothingToRemove),
      this.#buttons(null),
    );
    this.dialog.replaceChildren(form);
    this.dialog.showModal();
  }

  #buttons(action) {
    return el(
      "div",
      { class: "buttons" },
      el("button", { type: "button", class: "quiet", click: () => this.dialog.close() }, SELECTION.cancel),
      action && el("button", { type: "submit", class: "submit" }, action),
    );
  }

  #draw() {
    const { size, images } = this.selection;
    this.bar.hidden = size === 0;
    document.body.classList.toggle("selecting", size > 0);
    if (!size) return;
    this.count.textContent = SELECTION.chosen(size);
    if (this.bar.dataset.trash === String(this.trash) && this.bar.firstChild) return this.#mark(images);
    this.bar.dataset.trash = String(this.trash);
    const button = (words, symbol, click, more = {}) =>
      el("button", { type: "button", class: "bar-button", "aria-label": words, title: words, click, ...more }, icon(symbol), el("span", {}, words));
    const chosen = () => this.selection.images;
    const done = (work) => async () => {
      if ((await work(chosen())) !== false) this.selection.clear();
    };
    fill(
      this.bar,
      el("button", { type: "button", class: "round", "aria-label": SELECTION.clear, click: () => this.selection.clear() }, icon("close")),
      this.count,
      el("span", { class: "room" }),
      ...(this.trash
        ? [button(SELECTION.restore, "restore", done((images) => this.bulk.restore(images)))]
        : [
            (this.heart = button(SELECTION.favourite, "heart", () => this.bulk.favourite(chosen()).then(() => this.#mark(chosen())))),
            button(SELECTION.tag, "tag", () => this.tag()),
            button(SELECTION.untag, "untag", () => this.untag()),
            button(SELECTION.download, "download", () => this.bulk.download(chosen())),
            button(SELECTION.remove, "delete", done((images) => this.bulk.remove(images))),
          ]),
    );
    this.#mark(images);
  }

  #mark(images) {
    if (this.trash || !this.heart) return;
    const all = images.length > 0 && images.every(isFavourite);
    this.heart.classList.toggle("on", all);
    const words = all ? SELECTION.unfavourite : SELECTION.favourite;
    this.heart.setAttribute("aria-label", words);
    this.heart.title = words;
  }
}
