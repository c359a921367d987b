/** Where the gallery's pictures come from: the counts by day, and the pages of a part. */

import { wallDay } from "./dates.js";
import { partsOf, plainParts, sortOf, viewFilter } from "./gallery_query.js";

export class GallerySource {
  constructor(browse) {
    this.browse = browse;
  }

  /** Without an order asked for: by when they were taken where that is known of any, else added. */
  async counted(search, signal) {
    const filter = viewFilter(search.query);
    search.sort ??= search.query.sort || "taken";
    const { sort } = search;
    if (sort !== "name") {
      const found = await this.browse.timeline(sortOf(sort), filter, signal);
      if (!search.query.sort && sort === "taken" && found.undated === found.total && found.total) {
        search.sort = "added";
        return this.counted(search, signal);
      }
      return { total: found.total, sections: partsOf(found) };
    }
    const { total } = await this.browse.images({ sort: sortOf(sort), filter, limit: 1 }, signal);
    return { total, sections: plainParts(total, 0, "") };
  }

  /** The pictures of a section from the `at`-th on; one that isn't of its days any more is left out. */
  async page(search, section, at, limit, signal) {
    const { query, sort } = search;
    const asked = { sort: sortOf(sort), filter: viewFilter(query), limit };
    if (!section.days) {
      const { images } = await this.browse.images({ ...asked, offset: section.skip + at }, signal);
      return images;
    }
    const days = new Set(section.days.map(({ day }) => day));
    const { images } = await this.browse.images({ ...asked, from: section.days[0].day, offset: at }, signal);
    const dayOf = dayIn(sort);
    return images.filter((image) => days.has(dayOf(image)));
  }

  /** Every picture of the view, up to `most`: {images, more}. */
  async all({ query, sort }, most) {
    const found = [];
    let cursor = null;
    do {
      const limit = Math.min(1000, most - found.length);
      const page = await this.browse.images({ sort: sortOf(sort), filter: viewFilter(query), limit, cursor });
      found.push(...page.images);
      cursor = page.next;
    } while (cursor && found.length < most);
    return { images: found, more: cursor !== null };
  }
}

/** Tells the day of a picture in an order; null where days have no headings. */
export function dayIn(sort) {
  if (sort === "name") return null;
  if (sort === "added") return (image) => wallDay(image.added_at);
  return (image) => wallDay(image.file?.taken_at);
}
