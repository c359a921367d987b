/** Adding pictures: by upload, or a folder on the indexer's machine. */

import { filesOf } from "./collection_files.js";
import { FolderForm } from "./collection_folder.js";
import { Upload } from "./collection_upload.js";
import { told } from "./browse_states.js";
import { bytes } from "./collection_words.js";
import { el, icon } from "./dom.js";
import { ADD } from "./messages_manage.js";

const PREVIEWS = 8;

export class Add {
  #files = [];
  #upload = null;
  #input = el("input", {
    type: "file",
    id: "add-files",
    accept: "image/*,video/*,.dng,.cr2,.cr3,.nef,.arw,.raf,.orf,.rw2,.jxl,.mkv",
    multiple: true,
    class: "unseen",
    "aria-describedby": "add-hint",
  });
  #staged = el("div", { class: "staged", hidden: true });
  #progress = el("div", { class: "upload", hidden: true });
  #tags = el("input", {
    id: "add-tags",
    type: "text",
    autocomplete: "off",
    autocapitalize: "none",
    placeholder: ADD.example,
  });

  /** `onAdded()` is called when a batch is in; `onStarted(job)` when a folder is being taken in. */
  constructor(section, api, chooser, { onAdded, onStarted }) {
    this.api = api;
    this.onAdded = onAdded;
    this.zone = el(
      "label",
      { class: "zone", for: "add-files" },
      this.#input,
      icon("picture"),
      el("span", { class: "zone-words" }, ADD.files),
      el("small", { id: "add-hint" }, ADD.formats),
    );
    section.replaceChildren(
      el("h2", { id: "add-title" }, ADD.title),
      this.zone,
      this.#staged,
      this.#progress,
      new FolderForm(api, chooser, onStarted).element,
    );
    this.#input.addEventListener("change", () => this.#stage([...this.#input.files]));
    this.#listen();
  }

  #listen() {
    const over = (event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!over(event)) return;
      event.preventDefault();
      this.zone.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) this.zone.classList.remove("over");
    });
    document.addEventListener("drop", async (event) => {
      if (!over(event)) return;
      event.preventDefault();
      this.zone.classList.remove("over");
      this.#stage(await filesOf(event.dataTransfer));
    });
    window.addEventListener("beforeunload", (event) => {
      if (this.#upload?.running) event.preventDefault();
    });
  }

  /** Shows what was chosen, so that tags can be given before it's sent. */
  #stage(files) {
    this.#input.value = "";
    if (!files.length || this.#upload?.running) return;
    this.#files.push(...files);
    const size = this.#files.reduce((sum, file) => sum + file.size, 0);
    const form = el(
      "form",
      { class: "fields", submit: (event) => this.#send(event) },
      previews(this.#files),
      el(
        "div",
        { class: "field wide" },
        el("label", { for: "add-tags" }, ADD.tagsForAll),
        this.#tags,
        el("small", {}, ADD.optional),
      ),
      el(
        "div",
        { class: "buttons" },
        el("button", { type: "submit", class: "submit" }, ADD.addFiles(this.#files.length)),
        el("button", { type: "button", class: "quiet", click: () => this.#clear() }, ADD.clear),
        el("span", { class: "soft" }, bytes(size)),
      ),
    );
    this.#staged.replaceChildren(form);
    this.#staged.hidden = false;
    this.#progress.hidden = true;
    this.#tags.focus();
  }

  #clear() {
    this.#files = [];
    this.#staged.hidden = true;
    this.#staged.replaceChildren();
    this.#input.focus();
  }

  async #send(event) {
    event.preventDefault();
    const upload = new Upload(this.api, this.#files, this.#tags.value, () => this.#draw(upload));
    this.#upload = upload;
    this.#files = [];
    this.#staged.hidden = true;
    this.#staged.replaceChildren();
    await this.#run(upload);
  }

  async #run(upload) {
    this.#progress.hidden = false;
    await upload.run(this.onAdded);
    this.#draw(upload);
  }

  #draw(upload) {
    const bar = el("progress", {
      max: upload.total,
      value: upload.done,
      "aria-label": ADD.uploading,
    });
    this.#progress.replaceChildren(
      ...[
        el("p", { role: "status" }, upload.sentence),
        bar,
        upload.error && el("div", { class: "job-error form-error", role: "alert" }, ...told(upload.error)),
        upload.running &&
          el("button", { type: "button", class: "quiet small", click: () => upload.stop() }, ADD.stop),
        !upload.running &&
          upload.left > 0 &&
          el(
            "button",
            { type: "button", class: "quiet small", click: () => this.#run(upload) },
            ADD.rest,
          ),
        upload.failures.length > 0 && failed(upload.failures),
      ].filter(Boolean),
    );
  }
}

function previews(files) {
  const shown = files.slice(0, PREVIEWS).map((file) => {
    const url = URL.createObjectURL(file);
    const image = el("img", { src: url, alt: file.name });
    image.addEventListener("load", () => URL.revokeObjectURL(url));
    // A browser can't show every format that can be added.
    image.addEventListener("error", () => image.replaceWith(el("span", {}, file.name)));
    return el("li", {}, image);
  });
  const more = files.length - shown.length;
  if (more > 0) shown.push(el("li", { class: "soft" }, ADD.more(more)));
  return el("ul", { class: "previews", "aria-label": ADD.chosen }, ...shown);
}

function failed(failures) {
  return el(
    "div",
    { class: "failures" },
    el(
      "ul",
      { "aria-label": ADD.failures, tabindex: "0" },
      ...failures.map(({ name, error }) =>
        el("li", {}, el("span", { class: "path" }, name), " ", error),
      ),
    ),
  );
}
