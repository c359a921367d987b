/** Says what is paused while another service is away, until it is back. */

const SELDOM_MS = 15000;
const SOON_MS = 2000;

export class Paused {
  #timer = 0;
  #asking = null;

  constructor(element) {
    this.element = element;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) clearTimeout(this.#timer);
      else this.look();
    });
  }

  /** Asks at once, and from then on now and then; more often while something is paused. */
  look() {
    this.#asking ??= this.#look().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #look() {
    clearTimeout(this.#timer);
    const sentences = await pausedNow();
    if (sentences) {
      this.element.hidden = !sentences.length;
      // A status that is set anew is read out anew.
      const text = sentences.join(" ");
      if (this.element.textContent !== text) this.element.textContent = text;
    }
    if (document.hidden) return;
    this.#timer = setTimeout(() => this.look(), sentences?.length ? SOON_MS : SELDOM_MS);
  }
}

/** The sentences, or null where nobody tells. */
async function pausedNow() {
  try {
    const response = await fetch("ready");
    return response.ok ? ((await response.json()).paused ?? []) : null;
  } catch {
    return null;
  }
}
