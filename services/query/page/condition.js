/** A condition of a filter in words. */

import { FILTERS } from "./messages_search.js";

export function conditionWords(condition) {
  const { tag, key } = condition;
  if (tag !== undefined) return tag;
  if (key === undefined) return FILTERS.several;
  if (condition.match !== undefined) return `${key}: ${condition.match}`;
  if (condition.any) return `${key}: ${condition.any.join(FILTERS.or)}`;
  if (condition.exists !== undefined) return FILTERS.has(key, condition.exists);
  const bounds = Object.keys(FILTERS.bounds).filter((name) => condition[name] !== undefined);
  return `${key} ${bounds.map((name) => `${FILTERS.bounds[name]} ${condition[name]}`).join(" ")}`;
}
