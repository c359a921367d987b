/** What the page knows of the pictures that it searches by: files it was given, images' names. */

import { PARTS } from "./messages_search.js";
import { nameOf } from "./words.js";

export class Sources {
  #files = new Map();
  #images = new Map();

  /** `onKnown()` is called when an image's name has come. */
  constructor(api, onKnown) {
    this.api = api;
    this.onKnown = onKnown;
  }

  /** Hands a file over to the service; gives the id to search by. */
  async keep(file) {
    const { id } = await this.api.keepUpload(file);
    this.#files.set(id, file);
    return id;
  }

  /** The file of an upload, where this visit has it. */
  fileOf(id) {
    return this.#files.get(id) ?? null;
  }

  /** The picture of a part, whole. */
  async blobOf({ kind, value }) {
    if (kind === "image") return this.api.blob(this.api.fileUrl(value));
    if (!this.#files.has(value))
      this.#files.set(value, await this.api.blob(this.api.uploadUrl(value)));
    return this.#files.get(value);
  }

  /** What a part is called; of an image that is known by its id alone, its name comes later. */
  nameOf({ kind, value }) {
    if (kind === "term") return value;
    if (kind === "upload") return PARTS.picture;
    if (!this.#images.has(value)) this.#load(value);
    const image = this.#images.get(value);
    return image ? nameOf(image) : PARTS.image;
  }

  /** Takes note of an image that was met anyway. */
  know(image) {
    this.#images.set(image.id, image);
  }

  async #load(id) {
    this.#images.set(id, null);
    try {
      this.#images.set(id, await this.api.image(id));
      this.onKnown();
    } catch {
      // It does without its name; the search itself says what is wrong.
    }
  }
}
