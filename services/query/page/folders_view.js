/** The folders that pictures came from, and the pictures of one. */

import { hrefOf } from "./address.js";
import { failedState, statement, waitingState } from "./browse_states.js";
import { cover } from "./cover.js";
import { el, fill, icon } from "./dom.js";
import { FOLDERS, PICTURES } from "./messages.js";
import { look } from "./query.js";

export class FoldersView {
  #running = new AbortController();

  /** `gallery` shows the pictures of a folder. */
  constructor(board, { browse, thumbnails }, gallery) {
    this.board = board;
    this.browse = browse;
    this.thumbnails = thumbnails;
    this.gallery = gallery;
    this.cards = document.getElementById("folder-cards");
  }

  async show(search) {
    this.hide();
    const { signal } = (this.#running = new AbortController());
    const { folder } = search.query;
    if (!folder) fill(this.board, waitingState());
    else this.gallery.show(search);
    try {
      const { folders } = await this.browse.folders(folder, signal);
      if (signal.aborted) return;
      const list = folders.length > 0 && el("ul", { class: "cards folders", "aria-label": FOLDERS.title }, ...folders.map((one) => this.#card(one)));
      if (folder) {
        fill(this.cards, list);
        this.gallery.moved();
      } else fill(this.board, list || statement(FOLDERS.empty));
    } catch (error) {
      if (error.name === "AbortError" || folder) return;
      fill(this.board, failedState(error, () => this.show(search)));
    }
  }

  hide() {
    this.#running.abort();
    this.gallery.hide();
    fill(this.cards);
  }

  around(id) {
    return this.gallery.around(id);
  }

  image(id) {
    return this.gallery.image(id);
  }

  anchor() {
    return this.gallery.anchor();
  }

  focus(id) {
    this.gallery.focus(id);
  }

  reload() {
    return this.gallery.reload();
  }

  moved() {
    this.gallery.moved();
  }

  removed(ids) {
    this.gallery.removed(ids);
  }

  retagged(ids) {
    this.gallery.retagged(ids);
  }

  refresh() {
    if (this.gallery.shown) this.gallery.refresh();
  }

  #card({ path, name, count, cover: id }) {
    const img = el("img", { alt: "", decoding: "async" });
    cover(img, this.thumbnails, async () => id);
    return el(
      "li",
      { class: "card" },
      el(
        "a",
        { href: hrefOf(look("folders", { folder: path })), "data-search": true },
        el("span", { class: "cover" }, img),
        el("strong", {}, icon("folder"), name),
        el("span", { class: "soft" }, PICTURES(count)),
      ),
    );
  }
}
