/** A condition of a filter in words. */

import { dayAndYear } from "./dates.js";
import { FILTERS } from "./messages_search.js";

export function conditionWords(condition) {
  const { tag, key, label } = condition;
  if (tag !== undefined) return tag;
  if (label !== undefined) return FILTERS.label(label);
  if (isArea(condition)) return FILTERS.area;
  if (key === undefined) return FILTERS.several;
  const name = FILTERS.names[key] ?? key;
  if (condition.match !== undefined) return `${name}: ${condition.match}`;
  if (condition.any) return `${name}: ${condition.any.join(FILTERS.or)}`;
  if (condition.exists !== undefined) return FILTERS.has(name, condition.exists);
  const bounds = Object.keys(FILTERS.bounds).filter((bound) => condition[bound] !== undefined);
  return `${name} ${bounds.map((bound) => `${FILTERS.bounds[bound]} ${boundWords(condition[bound])}`).join(" ")}`;
}

function boundWords(bound) {
  return /^\d{4}-\d{2}-\d{2}$/.test(bound) ? dayAndYear(bound) : bound;
}

/** Bounds of both coordinates, as the map asks for. */
function isArea({ must = [] }) {
  const keys = must.map(({ key }) => key);
  return keys.length === 2 && keys.includes("file.latitude") && keys.includes("file.longitude");
}
