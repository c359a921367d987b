/** Asks again and again: soon while something is going on, ever later while nothing is. */

const SOON_MS = 600;
const LATE_MS = 15000;
const SLOWER = 1.6;

export class Polling {
  #timer = 0;
  #delay = SOON_MS;
  #running = null;

  /** `ask()` resolves to whether something is going on, or to null when it's no use to go on. */
  constructor(ask) {
    this.ask = ask;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) clearTimeout(this.#timer);
      else this.now();
    });
  }

  /** Asks at once; while it is asking already, once more after that. */
  async now() {
    clearTimeout(this.#timer);
    while (this.#running) await this.#running;
    this.#running = this.#ask();
    await this.#running;
  }

  async #ask() {
    const busy = await this.ask();
    this.#running = null;
    this.#delay = busy ? SOON_MS : Math.min(LATE_MS, this.#delay * SLOWER);
    clearTimeout(this.#timer);
    if (busy !== null && !document.hidden) this.#timer = setTimeout(() => this.now(), this.#delay);
  }
}
