/** What files tell of pictures, as facets: years, places, cameras, lenses, labels. */

/** The facts that a filter can ask for, in the order shown: the service's name, and the condition. */
export const FACTS = [
  { name: "years", condition: (value) => ({ key: "file.taken_at", match: value }), of: ({ file }) => file?.taken_at?.slice(0, 4) },
  { name: "countries", condition: (value) => ({ key: "file.country", match: value }), of: ({ file }) => file?.country },
  { name: "cities", condition: (value) => ({ key: "file.city", match: value }), of: ({ file }) => file?.city },
  { name: "cameras", condition: (value) => ({ key: "file.camera", match: value }), of: ({ file }) => file?.camera },
  { name: "lenses", condition: (value) => ({ key: "file.lens", match: value }), of: ({ file }) => file?.lens },
  { name: "labels", condition: (value) => ({ label: value, least: LEAST }), of: () => null },
];

/** From this probability on a label counts, as in the service's counts. */
export const LEAST = 0.5;
const MOST = 12;

/** The facts of hits, counted: {years: [{value, count}], ...}. */
export function factsOfHits(hits) {
  const found = {};
  for (const { name, of } of FACTS) {
    const counts = new Map();
    for (const hit of hits) {
      const value = of(hit);
      if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const values = [...counts].map(([value, count]) => ({ value, count }));
    values.sort((a, b) => b.count - a.count || a.value.localeCompare(b.value));
    found[name] = values.slice(0, MOST);
  }
  found.years.sort((a, b) => a.value.localeCompare(b.value));
  const days = hits.map(({ file }) => file?.taken_at?.slice(0, 10)).filter(Boolean).sort();
  return { ...found, first: days[0] ?? null, last: days.at(-1) ?? null };
}
