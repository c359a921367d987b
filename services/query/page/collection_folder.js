/** Takes in a folder that the indexer can read: chosen by looking, or by its path. */

import { field, jobForm, select } from "./collection_fields.js";
import { el } from "./dom.js";
import { ADD } from "./messages_manage.js";

export class FolderForm {
  #path = el("input", {
    id: "folder-path",
    type: "text",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    placeholder: "/home/me/Pictures",
  });
  #tags = select("folder-tags", ADD.tags);
  #build = el("input", { id: "folder-build", type: "checkbox", checked: true });
  #chosen = el("span", { class: "chosen-path", role: "status" });

  /** `chooser` asks for a folder of the server. */
  constructor(api, chooser, onStarted) {
    const choose = el("button", { type: "button", class: "quiet", click: async () => {
      const path = await chooser.ask(this.#path.value.trim() || null);
      if (path) this.#path.value = path;
      this.#show();
      (path ? this.submit : choose).focus();
    } }, ADD.choose);
    this.#path.addEventListener("input", () => this.#show());
    const form = jobForm(
      ADD.action,
      async () => {
        if (!this.#path.value.trim()) throw Object.assign(new Error(ADD.nothing), { title: "" });
        await onStarted(await api.ingest(this.#request()));
      },
      el("div", { class: "choose-folder wide" }, choose, this.#chosen),
      el(
        "details",
        { class: "wide" },
        el("summary", {}, ADD.advanced),
        el(
          "div",
          { class: "fields" },
          field(ADD.path, this.#path, ADD.pathNote),
          field(ADD.tagsFrom, this.#tags),
          el("label", { class: "check" }, this.#build, ADD.build),
        ),
      ),
    );
    this.submit = form.querySelector("[type=submit]");
    this.element = el("div", { class: "folder" }, el("h3", {}, ADD.fromFolder), form);
  }

  #show() {
    this.#chosen.textContent = this.#path.value.trim();
  }

  #request() {
    const request = { source: this.#path.value.trim(), build: this.#build.checked };
    if (this.#tags.value) request.tags_from = this.#tags.value;
    return request;
  }
}
