/** Chooses a folder on the server by looking through those that may be ingested. */

import { told } from "./browse_states.js";
import { el, fill, icon } from "./dom.js";
import { PICTURES, SELECTION } from "./messages.js";
import { CHOOSER } from "./messages_manage.js";

export class FolderChooser {
  constructor(dialog, api) {
    this.dialog = dialog;
    this.api = api;
  }

  /** Resolves to the path of a folder, or to null. */
  ask(path = null) {
    this.list = el("ul", { class: "folder-list", "aria-label": CHOOSER.label });
    this.where = el("p", { class: "folder-path", role: "status" });
    this.error = el("div", { class: "form-error", role: "alert" });
    this.take = el("button", { type: "button", class: "submit", click: () => this.dialog.close(this.path ?? "") }, CHOOSER.take);
    fill(
      this.dialog,
      el("h2", { id: "folders-title" }, CHOOSER.title),
      this.where,
      this.error,
      this.list,
      el(
        "div",
        { class: "buttons" },
        el("button", { type: "button", class: "quiet", click: () => this.dialog.close("") }, SELECTION.cancel),
        this.take,
      ),
    );
    this.dialog.returnValue = "";
    this.dialog.showModal();
    this.#open(path);
    return new Promise((resolve) => {
      this.dialog.addEventListener("close", () => resolve(this.dialog.returnValue || null), { once: true });
    });
  }

  async #open(path) {
    this.take.disabled = true;
    fill(this.error);
    try {
      this.#draw(await this.api.sourceFolders(path));
    } catch (error) {
      fill(this.error, ...told(error));
      if (path !== null) this.list.querySelector("button")?.focus();
    }
  }

  #draw({ path, parent, folders, pictures, complete }) {
    this.path = path;
    this.take.disabled = path === null;
    this.where.textContent = path === null ? CHOOSER.start : `${path}${pictures ? `: ${PICTURES(pictures)}` : ""}`;
    const row = (symbol, words, to) =>
      el("li", {}, el("button", { type: "button", click: () => this.#open(to) }, icon(symbol), words));
    fill(
      this.list,
      path !== null && row("left", CHOOSER.up, parent),
      ...folders.map((folder) => row("folder", path === null ? folder.path : folder.name, folder.path)),
      path === null && !folders.length && el("li", { class: "soft" }, CHOOSER.none),
      path !== null && !folders.length && el("li", { class: "soft" }, CHOOSER.leaf),
      !complete && el("li", { class: "soft" }, CHOOSER.more),
    );
    this.list.querySelector("button")?.focus();
  }
}
