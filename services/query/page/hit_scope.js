/** The hits of a search as pictures that can be chosen. */

import { between } from "./gallery_tiles.js";
import { onlyPart } from "./query.js";

export class HitScope {
  constructor(search, browse) {
    this.search = search;
    this.browse = browse;
  }

  image(id) {
    return this.search.shown.find((hit) => hit.id === id) ?? null;
  }

  range(from, to) {
    return between(this.search.shown.map(({ id }) => id), from, to);
  }

  /** All pictures with the tag that is searched for, also those that aren't loaded; else null. */
  async everything() {
    const { query, answer, more } = this.search;
    const only = onlyPart(query);
    if (!more || answer?.mode !== "tag" || only?.kind !== "term" || query.likely) return null;
    const tag = answer.corrected_terms?.[0]?.searched_as ?? only.value;
    const filter = { ...query.filter, must: [...query.filter.must, { tag }] };
    const { total } = await this.browse.images({ filter, limit: 1 });
    return { filter, total };
  }

  async all(most) {
    const { shown, more } = this.search;
    return { images: shown.slice(0, most), more: more || shown.length > most };
  }
}
