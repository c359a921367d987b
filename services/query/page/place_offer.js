/** Places that a searched word names, as an offer: the pictures that were taken there. */

import { hrefOf } from "./address.js";
import { el, fill } from "./dom.js";
import { PLACES } from "./messages_search.js";
import { isGallery, look, withCondition } from "./query.js";

/** The filter of the pictures that were taken in a place. */
export function takenIn({ kind, name }) {
  return { key: `file.${kind}`, match: name };
}

/** What is looked at when a place is chosen: the shown search there, else the photos of it. */
export function goingTo(query, place) {
  const shown = query.parts.length || isGallery(query) ? query : look("photos");
  return withCondition(shown, takenIn(place), "must");
}

export class PlaceOffers {
  /** Of each search, what its words name: a search is drawn more than once. */
  #found = new WeakMap();

  constructor(api) {
    this.api = api;
  }

  /** A line for each place that a word of the search names; empty as long as none is known. */
  drawn(search) {
    const terms = search.query.parts.filter(({ kind, weight }) => kind === "term" && weight > 0);
    const board = el("div", { class: "offers" });
    if (!terms.length) return board;
    if (!this.#found.has(search)) this.#found.set(search, this.#asked(terms.map(({ value }) => value)));
    this.#found.get(search).then((places) => fill(board, ...places.map(offer)));
    return board;
  }

  async #asked(names) {
    try {
      const found = await Promise.all(names.map((name) => this.api.placesCalled(name)));
      // Of a town and a country that are called alike, the one with the most pictures.
      return found.flatMap(({ places }) => places.slice(0, 1));
    } catch {
      return []; // The search itself says what is wrong.
    }
  }
}

function offer(place) {
  const href = hrefOf(look("photos", { filter: { must: [takenIn(place)], should: [], must_not: [] } }));
  const [before, name] = PLACES.offer(place);
  return el("p", { class: "mode offer" }, before, el("a", { href, "data-search": true }, name));
}
