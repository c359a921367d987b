/** The hits of a search as pictures that can be chosen. */

export class HitScope {
  constructor(search) {
    this.search = search;
  }

  image(id) {
    return this.search.shown.find((hit) => hit.id === id) ?? null;
  }

  range(from, to) {
    const ids = this.search.shown.map(({ id }) => id);
    const [a, b] = [ids.indexOf(from), ids.indexOf(to)].sort((one, other) => one - other);
    return a < 0 ? [to] : ids.slice(a, b + 1);
  }

  async all(most) {
    const { shown, more } = this.search;
    return { images: shown.slice(0, most), more: more || shown.length > most };
  }
}
