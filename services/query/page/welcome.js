/** The page before anything is asked: what there is to search. */

import { el } from "./dom.js";
import { tagChip } from "./tag_chip.js";
import { count } from "./words.js";

const TAGS = 24;

export class Welcome {
  #tags = null;

  /** `words` is shown on the empty page alone, `collection` always; `board` takes the tags. */
  constructor({ words, collection, board }, api, stats) {
    this.words = words;
    this.collection = collection;
    this.board = board;
    this.api = api;
    this.stats = stats;
  }

  render(search) {
    const idle = search.status === "idle";
    const stats = this.stats();
    document.body.classList.toggle("welcome", idle);
    this.words.hidden = !idle;
    this.collection.textContent = stats ? sizeOf(stats) : "";
    if (!idle || search.error || search.query.parts.length) return;
    if (!stats) return this.board.replaceChildren();
    if (stats.images === 0) return this.board.replaceChildren(emptyCollection());
    this.#draw(search);
    if (stats.tags > 0 && this.#tags === null) this.#load(search);
  }

  async #load(search) {
    try {
      const { tags } = await this.api.tags("", TAGS);
      this.#tags = tags.sort((a, b) => b.count - a.count);
    } catch {
      return; // The page is whole without them.
    }
    if (document.body.classList.contains("welcome")) this.#draw(search);
  }

  #draw(search) {
    if (!this.#tags?.length) return this.board.replaceChildren();
    const chips = this.#tags.map(({ tag, count: images }) =>
      el(
        "li",
        {},
        tagChip(
          tag,
          search.query,
          { "aria-label": `${tag}, ${count(images, "image")}` },
          el("span", { class: "count" }, images.toLocaleString("en")),
        ),
      ),
    );
    this.board.replaceChildren(
      el(
        "div",
        { class: "top-tags" },
        el("h2", {}, "In the collection"),
        el("ul", { class: "tags", "aria-label": "Tags with the most images" }, ...chips),
      ),
    );
  }
}

function sizeOf({ images, tags }) {
  return tags ? `${count(images, "image")}, ${count(tags, "tag")}` : count(images, "image");
}

function emptyCollection() {
  return el(
    "div",
    { class: "state" },
    el("h2", {}, "The collection is empty"),
    el("p", {}, "Drop pictures into the collection view, or take in a folder there."),
    el("p", {}, el("a", { href: "collection" }, "Add pictures")),
  );
}
