/** Ways to hand over a picture: choose a file, take a photo, drop it anywhere, or paste it. */

import { PARTS } from "./messages_search.js";

export class PictureInput {
  #depth = 0;

  constructor(inputs, overlay, { onPicture, onRefused }) {
    this.inputs = inputs;
    this.overlay = overlay;
    this.onPicture = onPicture;
    this.onRefused = onRefused;
  }

  listen() {
    for (const input of this.inputs) {
      input.addEventListener("change", () => {
        this.#take(input.files);
        input.value = ""; // The same file may be chosen again.
      });
    }
    document.addEventListener("paste", (event) => {
      if (event.clipboardData.files.length === 0) return;
      event.preventDefault();
      this.#take(event.clipboardData.files);
    });
    // A drag enters and leaves every element on its way; only the outermost leave ends it.
    document.addEventListener("dragenter", (event) => this.#drag(event, 1));
    document.addEventListener("dragleave", (event) => this.#drag(event, -1));
    document.addEventListener("dragover", (event) => {
      if (carriesFiles(event)) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      this.#depth = 0;
      this.overlay.hidden = true;
      this.#take(event.dataTransfer.files);
    });
  }

  #drag(event, by) {
    if (!carriesFiles(event)) return;
    this.#depth = Math.max(0, this.#depth + by);
    this.overlay.hidden = this.#depth === 0;
  }

  /** A file without a type may still be a picture; the server finds out. */
  #take(files) {
    const picture = [...files].find((file) => file.type === "" || file.type.startsWith("image/"));
    if (picture) this.onPicture(picture);
    else if (files.length) this.onRefused(PARTS.refused(files[0].name));
  }
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}
