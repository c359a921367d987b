/** "Why this?": the heat over the hit, and over the picture it was found by. */

import { heatOver, mainPlace, strongest } from "./heat.js";
import { WHY } from "./messages_search.js";
import { cut } from "./part_picture.js";

export class Why {
  #asked = new AbortController();

  constructor(api, sources) {
    this.api = api;
    this.sources = sources;
  }

  /** Forgets what was asked. */
  stop() {
    this.#asked.abort();
  }

  /** The parts of a search that a hit can be explained by. */
  static partsOf({ parts }) {
    return parts.filter(({ weight }) => weight > 0);
  }

  /** Explains the hit by a part: gives {other, heat, otherHeat, sentence}. */
  async explain(hit, part) {
    this.#asked.abort();
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    if (part.kind === "term") {
      const why = await this.api.why(hit.id, { term: part.value }, signal);
      return { ...drawn(why.grid, why.crop), sentence: sentenceOf(why, why.grid, WHY.word) };
    }
    const blob = await cut(await this.sources.blobOf(part), part.crop);
    const why =
      part.kind === "image"
        ? turned(await this.api.why(part.value, { to: hit.id }, signal))
        : turned(await this.api.whyPicture(blob, hit.id, signal));
    const most = strongest(why.grid, why.other_grid);
    return {
      ...drawn(why.grid, why.crop, most),
      other: blob,
      otherHeat: why.other_grid && heatOver(why.other_grid, why.other_crop, most),
      sentence: sentenceOf(why, why.grid, this.sources.nameOf(part)),
    };
  }
}

/** The service tells first of what it was asked by; here the hit comes first. */
function turned(why) {
  return {
    ...why,
    grid: why.other_grid,
    crop: why.other_crop,
    other_grid: why.grid,
    other_crop: why.crop,
  };
}

function drawn(grid, seen, most = strongest(grid)) {
  return { heat: heatOver(grid, seen, most) };
}

function sentenceOf(why, grid, name) {
  const sum = why.approximate ? WHY.approximate : WHY.exact(why.cosine.toFixed(3));
  return WHY.told(name, mainPlace(grid), sum);
}

