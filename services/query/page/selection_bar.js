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
    const { images, whole, size } = this.selection;
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
      if (!tag.trim()) return;
      if (whole) this.bulk.whole.tag(whole, tag.trim());
      else this.bulk.tag(images, tag.trim());
    };
    new Completion(input, list, this.api, take);
    const form = el(
      "form",
      { method: "dialog", submit: () => take(input.value) },
      el("h2", { id: "bulk-title" }, SELECTION.addTitle(size)),
      el("label", { for: "bulk-tag" }, SELECTION.tagField),
      el("div", { class: "tag-field" }, input, list),
      this.#buttons(SELECTION.add),
    );
    this.dialog.replaceChildren(form);
    this.dialog.showModal();
    input.focus();
  }

  /** Offers the tags of the chosen pictures to be taken off. */
  async untag() {
    const { images, whole, size } = this.selection;
    const tags = whole ? await this.bulk.whole.tagsOf(whole).catch(() => []) : tagsOf(images);
    const form = el(
      "form",
      { method: "dialog" },
      el("h2", { id: "bulk-title" }, SELECTION.removeTitle(size)),
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
                      if (whole) this.bulk.whole.untag(whole, tag);
                      else this.bulk.untag(images.filter((image) => image.tags.includes(tag)), tag);
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
    // What is chosen by a filter goes by it.
    const either = (name) => {
      const { whole } = this.selection;
      return whole ? this.bulk.whole[name](whole) : this.bulk[name](chosen());
    };
    const done = (name) => async () => {
      if ((await either(name)) !== false) this.selection.clear();
    };
    fill(
      this.bar,
      el("button", { type: "button", class: "round", "aria-label": SELECTION.clear, click: () => this.selection.clear() }, icon("close")),
      this.count,
      el("span", { class: "room" }),
      ...(this.trash
        ? [button(SELECTION.restore, "restore", done("restore"))]
        : [
            (this.heart = button(SELECTION.favourite, "heart", () => either("favourite").then(() => this.#mark(chosen())))),
            button(SELECTION.tag, "tag", () => this.tag()),
            button(SELECTION.untag, "untag", () => this.untag()),
            button(SELECTION.download, "download", () => either("download")),
            button(SELECTION.remove, "delete", done("remove")),
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

/** The tags of pictures, the most frequent first: [tag, number]. */
function tagsOf(images) {
  const counts = new Map();
  for (const { tags } of images) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, 60);
}
