/** The hits of a search as pictures that can be chosen. */

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
    const ids = this.search.shown.map(({ id }) => id);
    const [a, b] = [ids.indexOf(from), ids.indexOf(to)].sort((one, other) => one - other);
    return a < 0 ? [to] : ids.slice(a, b + 1);
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
