/** Takes in a folder, or a manifest, that the indexer can read. */

import { field, jobForm, select } from "./collection_fields.js";
import { el } from "./dom.js";

export class FolderForm {
  #path = el("input", {
    id: "folder-path",
    type: "text",
    required: true,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    placeholder: "/home/me/Pictures",
  });
  #tags = select("folder-tags", [
    ["", "As usual"],
    ["folder", "The folder's name"],
    ["manifest", "The manifest"],
    ["none", "No tags"],
  ]);
  #build = el("input", { id: "folder-build", type: "checkbox", checked: true });

  constructor(api, onStarted) {
    this.element = el(
      "div",
      { class: "folder" },
      el("h3", {}, "From a folder on the server"),
      jobForm(
        "Import",
        async () => onStarted(await api.ingest(this.#request())),
        field("Path", this.#path, "A folder whose sub-folders are tags, or a CSV or JSONL manifest."),
        field("Tags from", this.#tags),
        el("label", { class: "check" }, this.#build, "Build the index afterwards"),
      ),
    );
  }

  #request() {
    const request = { source: this.#path.value.trim(), build: this.#build.checked };
    if (this.#tags.value) request.tags_from = this.#tags.value;
    return request;
  }
}
