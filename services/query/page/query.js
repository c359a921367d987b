/**
 * What is searched for, as a value that is never changed, only replaced.
 *
 * A query is {parts, filter, exact, literal, likely, copies}. A part is {kind, value, weight, crop}: `kind`
 * is term, image (an indexed one, by its id) or upload (by the id that the service gave to it);
 * `weight` is 1 or -1; `crop` is null or {x, y, width, height} in fractions of the sides. `filter`
 * is as the API has it. `literal`: read words only as they are written, not as singular or plural,
 * nor as a near spelling. `likely`: leave out what hardly matches. `copies`: don't fold duplicates.
 *
 * Where nothing is searched for, `view` is what is looked through (photos, favourites, map, tags,
 * labels, wrong-tags, missing-tags, judge, folders, duplicates, trash), `folder` the folder of photos. `sort` is their order: taken, added,
 * name, or "" for the one that fits; of a search's hits, "" is that of relevance.
 */

import { stringify } from "./exact_json.js";

export const NO_FILTER = Object.freeze({ must: [], should: [], must_not: [] });

export const NOTHING = Object.freeze({
  parts: [],
  filter: NO_FILTER,
  exact: false,
  literal: false,
  likely: false,
  copies: false,
  view: "photos",
  folder: "",
  sort: "",
});

export function part(kind, value, weight = 1, crop = null) {
  return { kind, value, weight, crop };
}

/** A new search by these parts, asked in the same manner; the former one's filter is let go. */
export function by(parts, { exact, copies } = NOTHING) {
  return { ...NOTHING, exact, copies, parts };
}

/** The search with one more part; where it's there already, it takes the new sign. */
export function withPart(query, added) {
  const others = query.parts.filter(
    ({ kind, value }) => kind !== added.kind || value !== added.value,
  );
  // The order of a view is none of a search.
  const sort = query.parts.length ? query.sort : "";
  return { ...query, sort, parts: [...others, added] };
}

/** The search with a part replaced, or taken out where there is no `other`. */
export function withoutPart(query, old, ...other) {
  const parts = query.parts.flatMap((one) => (one === old ? other : [one]));
  return parts.length ? { ...query, parts } : by([], query);
}

/** The one part of a search that has no other and no crop; null of others. */
export function onlyPart({ parts }) {
  return parts.length === 1 && parts[0].weight > 0 && !parts[0].crop ? parts[0] : null;
}

/** A view of the collection, without a search. */
export function look(view, { folder = "", sort = "", filter = NO_FILTER } = {}) {
  return { ...NOTHING, view, folder, sort, filter };
}

/** Whether the pictures of a view can be filtered. */
export function isGallery({ view, folder }) {
  return view === "photos" || view === "favourites" || view === "map" || (view === "folders" && folder !== "");
}

export function isAsked({ parts }) {
  return parts.some(({ weight }) => weight > 0);
}

export function conditionsOf({ filter }) {
  return [...filter.must, ...filter.should, ...filter.must_not];
}

/** The search with a condition put under `way` (must, should, must_not), or taken out for null. */
export function withCondition(query, condition, way) {
  const same = stringify(condition);
  const filter = {};
  for (const name of Object.keys(NO_FILTER)) {
    const kept = query.filter[name].filter((one) => stringify(one) !== same);
    filter[name] = name === way ? [...kept, condition] : kept;
  }
  return { ...query, filter };
}

/** The search with the condition that has bounds of a key replaced, or taken out for null. */
export function withBounds(query, key, condition) {
  const filter = {};
  for (const name of Object.keys(NO_FILTER))
    filter[name] = query.filter[name].filter((one) => one.key !== key || !isBounds(one));
  if (condition) filter.must = [...filter.must, condition];
  return { ...query, filter };
}

/** The bounds of a key that are asked for: {gte, lte}. */
export function boundsOf({ filter }, key) {
  return filter.must.find((one) => one.key === key && isBounds(one)) ?? {};
}

function isBounds({ gt, gte, lt, lte }) {
  return [gt, gte, lt, lte].some((bound) => bound !== undefined);
}

/** Under which way a condition is asked for; null where it isn't. */
export function wayOf({ filter }, condition) {
  const same = stringify(condition);
  const found = Object.entries(filter).find(([, conditions]) =>
    conditions.some((one) => stringify(one) === same),
  );
  return found ? found[0] : null;
}
