/** What the hits have in common: their tags and the values of their metadata, counted. */

import { isNumber, numberOf } from "./exact_json.js";

const VALUES = 12;
const KEYS = 6;

/** The tags of the hits, the most frequent first. */
export function tagFacets(search, limit = 24) {
  return [...search.facets]
    .sort(([a, m], [b, n]) => n - m || a.localeCompare(b))
    .slice(0, limit)
    .map(([tag, count]) => ({ tag, count }));
}

/** The fields of the hits' metadata: {key, values: [{value, count}], least, most}. */
export function metadataFacets({ hits }) {
  const fields = new Map();
  for (const { metadata } of hits)
    for (const [key, given] of Object.entries(metadata))
      for (const value of Array.isArray(given) ? given : [given]) {
        if (value === null || typeof value === "object") continue;
        if (!fields.has(key)) fields.set(key, new Map());
        const counts = fields.get(key);
        counts.set(value, (counts.get(value) ?? 0) + 1);
      }
  return [...fields]
    .sort(([, a], [, b]) => total(b) - total(a))
    .slice(0, KEYS)
    .map(([key, counts]) => described(key, counts));
}

function described(key, counts) {
  const values = [...counts]
    .sort(([a, m], [b, n]) => n - m || String(a).localeCompare(String(b)))
    .map(([value, count]) => ({ value, count }));
  // A manifest's numbers are texts; the service compares them as numbers all the same.
  const numbers = values.map(({ value }) => numberOf(value));
  if (values.length > VALUES && numbers.every(isNumber)) {
    // Not by `Math`, which knows no whole numbers of over 53 bits.
    const least = numbers.reduce((one, other) => (other < one ? other : one));
    const most = numbers.reduce((one, other) => (other > one ? other : one));
    return { key, values: [], least, most };
  }
  return { key, values: values.slice(0, VALUES) };
}

function total(counts) {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
