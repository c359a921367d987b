/**
 * Deleting with a way back. The service can't bring a deleted image back, so the call is held until
 * the time to undo has run out, or the page is left.
 */

import { el } from "./dom.js";

const UNDO_MS = 8000;

export class Removal {
  #waiting = null;

  /** `onBack(hit, error)`: it stays after all; `error` says why where the service refused. */
  constructor(bar, api, { onBack, onGone }) {
    this.bar = bar;
    this.api = api;
    this.onBack = onBack;
    this.onGone = onGone;
    window.addEventListener("pagehide", () => this.#send(true));
  }

  /** Deletes `hit` when the time is up; one that was waiting is deleted now. */
  later(hit, name) {
    this.#send();
    this.#waiting = { hit, timer: setTimeout(() => this.#send(), UNDO_MS) };
    this.bar.replaceChildren(
      el("span", {}, `Deleted ${name}.`),
      el("button", { type: "button", click: () => this.#undo() }, "Undo"),
    );
    this.bar.hidden = false;
  }

  #undo() {
    const { hit } = this.#take();
    this.onBack(hit, null);
  }

  async #send(leaving = false) {
    if (!this.#waiting) return;
    const { hit } = this.#take();
    try {
      await this.api.remove(hit.id, leaving);
      this.onGone(hit);
    } catch (error) {
      this.onBack(hit, error);
    }
  }

  #take() {
    const waiting = this.#waiting;
    clearTimeout(waiting.timer);
    this.#waiting = null;
    this.bar.hidden = true;
    this.bar.replaceChildren();
    return waiting;
  }
}
