/** A condition of a filter in words. */

const BOUNDS = { gt: "over", gte: "from", lt: "under", lte: "to" };

export function conditionWords(condition) {
  const { tag, key } = condition;
  if (tag !== undefined) return tag;
  if (key === undefined) return "several conditions";
  if (condition.match !== undefined) return `${key}: ${condition.match}`;
  if (condition.any) return `${key}: ${condition.any.join(" or ")}`;
  if (condition.exists !== undefined) return condition.exists ? `has ${key}` : `has no ${key}`;
  const bounds = Object.keys(BOUNDS).filter((name) => condition[name] !== undefined);
  return `${key} ${bounds.map((name) => `${BOUNDS[name]} ${condition[name]}`).join(" ")}`;
}
