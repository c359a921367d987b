/** A justified layout: rows as wide as the page and of about one height, whatever the shapes. */

const NARROWEST = 0.6;
const WIDEST = 2.4;
export const UNKNOWN = 4 / 3;

/**
 * Rows for pictures of these ratios (width by height) from number `start` on. `target` is the
 * height that rows are near to, `gap` the space between pictures. The last row is left as wide as
 * its pictures are; `whole` leaves it out, for more are to come.
 */
export function rowsOf(ratios, { start, width, target, gap, whole }) {
  const rows = [];
  let first = start;
  let sum = 0;
  for (let at = start; at < ratios.length; at++) {
    const ratio = shapeOf(ratios[at]);
    const before = at > first ? (width - gap * (at - first - 1)) / sum : Infinity;
    const after = (width - gap * (at - first)) / (sum + ratio);
    if (after < target) {
      const closer = target - after <= before - target;
      rows.push(closer ? row(first, at + 1, after) : row(first, at, before));
      first = closer ? at + 1 : at;
      sum = closer ? 0 : ratio;
      // One that is alone and still too wide has its row for itself.
      if (sum && width / sum < target) {
        rows.push(row(first, at + 1, width / sum));
        first = at + 1;
        sum = 0;
      }
    } else sum += ratio;
  }
  if (first < ratios.length && !whole) rows.push(row(first, ratios.length, target));
  return rows;
}

export function shapeOf(ratio) {
  return Math.min(WIDEST, Math.max(NARROWEST, ratio ?? UNKNOWN));
}

function row(first, end, height) {
  return { first, end, height };
}
