/**
 * Loads the thumbnails of tiles that stay on the screen: while the page flies past, none are asked
 * for, and those of tiles that have left are given up.
 */

const FAST = 4000; // pixels a second
const SETTLED_MS = 90;
/** Even then, what is on the screen is asked for now and then, so that it's never bare for long. */
const IN_PASSING_MS = 150;
const AGAIN_MS = 1500;

export class ThumbnailQueue {
  #waiting = new Map();
  #stops = new Map();
  #timer = 0;
  #last = { at: 0, y: 0 };
  #fast = false;
  #flushed = 0;

  constructor(api) {
    this.api = api;
  }

  /** Notes how fast the page moves; called on each frame that it does. */
  moved(y) {
    const at = performance.now();
    const took = at - this.#last.at;
    if (took > 4) {
      this.#fast = took < 200 && (Math.abs(y - this.#last.y) / took) * 1000 > FAST;
      this.#last = { at, y };
    }
    if (!this.#fast) this.#flush();
    else if (at - this.#flushed > IN_PASSING_MS) this.#flush(isInSight);
    if (!this.#fast) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#fast = false;
      this.#flush();
    }, SETTLED_MS);
  }

  /** Has a thumbnail shown by `img`, now or once the page has slowed down. */
  add(img, id, url = this.api.thumbnailUrl(id)) {
    if (this.#fast) this.#waiting.set(img, url);
    else this.#load(img, url);
  }

  /** Gives a picture up: its tile has left. */
  drop(img) {
    this.#waiting.delete(img);
    this.#stops.get(img)?.abort();
    this.#stops.delete(img);
    // Else its pixels are kept for as long as there is memory.
    img.removeAttribute("src");
  }

  #flush(isWanted = () => true) {
    this.#flushed = performance.now();
    for (const [img, url] of [...this.#waiting].filter(([img]) => isWanted(img))) {
      this.#waiting.delete(img);
      this.#load(img, url);
    }
  }

  #load(img, url) {
    img.addEventListener("load", () => img.classList.add("here"), { once: true });
    img.onerror = () => this.#again(img, url);
    if (this.api.key === null) img.src = url;
    else this.#fetch(img, url);
  }

  /** A service that has much to do may well have the picture a moment later. */
  #again(img, url) {
    if (!img.getAttribute("src") || !img.isConnected) return;
    if (img.dataset.tried) return img.closest(".tile")?.classList.add("broken");
    img.dataset.tried = url;
    setTimeout(() => {
      // By now it may be another picture's.
      if (!img.isConnected || img.dataset.tried !== url) return;
      img.removeAttribute("src");
      this.#load(img, url);
    }, AGAIN_MS);
  }

  /** An `<img>` can't send the key. */
  async #fetch(img, url) {
    const stop = new AbortController();
    this.#stops.set(img, stop);
    try {
      const blobUrl = URL.createObjectURL(await this.api.blob(url, stop.signal));
      const release = () => URL.revokeObjectURL(blobUrl);
      if (stop.signal.aborted) return release();
      img.addEventListener("load", release, { once: true });
      img.addEventListener("error", release, { once: true });
      img.src = blobUrl;
    } catch (error) {
      // By now it may be another picture's.
      if (!stop.signal.aborted) img.closest(".tile")?.classList.add("broken");
    } finally {
      if (this.#stops.get(img) === stop) this.#stops.delete(img);
    }
  }
}

function isInSight(img) {
  const { top, bottom } = img.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}
