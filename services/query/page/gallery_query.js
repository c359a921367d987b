/** What the gallery asks for: the order, and the conditions of a view, the parts of a timeline. */

import { FAVOURITE } from "./gallery_tile.js";
import { conditionsOf } from "./query.js";

/** Meets every picture: a service asks for a condition where it changes many. */
export const EVERY = Object.freeze({
  must: [],
  should: [
    { key: "added_at", exists: true },
    { key: "added_at", exists: false },
  ],
  must_not: [],
});

const SORTS = { taken: "-taken", added: "-added", name: "name" };

export function sortOf(sort) {
  return SORTS[sort] ?? SORTS.taken;
}

/** The conditions of the view, or null where it shows everything. */
export function viewFilter(query) {
  const must = [...query.filter.must];
  if (query.view === "favourites") must.push({ tag: FAVOURITE });
  if (query.folder) must.push({ key: "file.folder", match: query.folder });
  if (!must.length && !conditionsOf(query).length) return null;
  return { ...query.filter, must };
}

/** A part of the gallery is asked for whole, so it's no larger than a few pages. */
const LARGEST = 1000;

/**
 * The parts of a timeline, in order: {key, month, count, days, skip, part}. A month is one part, or
 * several where it's large; `skip`: how many pictures come before it where there are no days.
 */
export function partsOf({ days, undated, total }) {
  const parts = [];
  for (const { day, count } of days) {
    const month = day.slice(0, 7);
    const last = parts.at(-1);
    if (last?.month === month && last.count + count <= LARGEST) {
      last.count += count;
      last.days.push({ day, count });
    } else {
      const part = last?.month === month ? last.part + 1 : 0;
      parts.push({ key: `${month}/${part}`, month, count, days: [{ day, count }], skip: 0, part });
    }
  }
  return [...parts, ...plainParts(undated, total - undated, null)];
}

/** Parts without days. */
export function plainParts(count, skip, month) {
  const parts = [];
  for (let at = 0; at < count; at += LARGEST) {
    const part = at / LARGEST;
    parts.push({ key: `${month}/${part}`, month, count: Math.min(LARGEST, count - at), days: null, skip: skip + at, part });
  }
  return parts;
}
