/** What the gallery asks for: the order, and the conditions of a view and of a month. */

import { FAVOURITE } from "./gallery_tile.js";
import { conditionsOf } from "./query.js";

const SORTS = { taken: "-taken", added: "-added", name: "name" };

export function sortOf(sort) {
  return SORTS[sort] ?? SORTS.taken;
}

/** The conditions of the view, or null where it shows everything. */
export function viewFilter(query) {
  const must = [...query.filter.must];
  if (query.view === "favourites") must.push({ tag: FAVOURITE });
  if (query.folder) must.push({ folder: query.folder });
  if (!must.length && !conditionsOf(query).length) return null;
  return { ...query.filter, must };
}

/** The conditions of the view, and those of a month ("2024-05"; null: without a date). */
export function monthFilter(query, sort, month) {
  const filter = viewFilter(query) ?? { must: [], should: [], must_not: [] };
  const key = sort === "added" ? "added_at" : "file.taken_at";
  if (month === null) return { ...filter, must_not: [...filter.must_not, { key, exists: true }] };
  return { ...filter, must: [...filter.must, { key, gte: month, lt: after(month) }] };
}

function after(month) {
  const [year, number] = month.split("-").map(Number);
  return number === 12 ? `${String(year + 1).padStart(4, "0")}-01` : `${month.slice(0, 5)}${String(number + 1).padStart(2, "0")}`;
}
