/** Suspicions that a person found unfounded, kept in this browser. */

const KEY = "dismissed-suspicions";
const MOST = 5000;

export class Dismissed {
  #kept = read();

  has(key) {
    return this.#kept.has(key);
  }

  add(key) {
    this.#kept.add(key);
    for (const oldest of this.#kept) {
      if (this.#kept.size <= MOST) break;
      this.#kept.delete(oldest);
    }
    try {
      localStorage.setItem(KEY, JSON.stringify([...this.#kept]));
    } catch {
      // There is no room: they hold for this visit.
    }
  }
}

function read() {
  try {
    return new Set(JSON.parse(localStorage.getItem(KEY) ?? "[]"));
  } catch {
    return new Set();
  }
}
