/**
 * Where the pictures of a section of the gallery lie: days side by side where they fit, in rows of
 * about one height. Pure: it knows no document.
 */

import { rowsOf, shapeOf, UNKNOWN } from "./rows.js";

export const GAP = 4;
const BETWEEN_DAYS = 20;
const DAY = 34;
const AFTER_DAY = 18;
/** A heading has to fit over a picture that is higher than wide. */
const NARROWEST_DAY = 128;
/** Browsers end a page at some 16 million pixels; rows get lower before it gets longer. */
const LONGEST = 15e6;

/** The height that rows are near to, for `total` pictures on a page of this width. */
export function targetOf(width, total) {
  const wanted = width < 560 ? 118 : width < 1100 ? 180 : 216;
  return Math.max(24, Math.min(wanted, Math.sqrt((LONGEST * width) / (UNKNOWN * Math.max(1, total)))));
}

/**
 * Tiles {x, y, width, height} by index, and `days`: {x, y, width, key, first, end}, for the images of
 * a section; `dayOf(image)` is null where days have no headings. `known`: the height of those that
 * are there, `height`: with those that come later.
 */
export function layoutOf({ images, missing, count }, { width, target, dayOf }) {
  const tiles = new Array(images.length);
  const days = [];
  let [x, y, line] = [0, 0, 0];
  for (const block of blocksOf(images, dayOf)) {
    const head = block.key === null ? 0 : DAY;
    const placed = blockOf(images, block, { width, target });
    if (x > 0 && x + placed.width > width + 0.5) {
      y += line;
      [x, line] = [0, 0];
    }
    for (const tile of placed.tiles)
      tiles[tile.index] = { x: x + tile.x, y: y + head + tile.y, width: tile.width, height: tile.height };
    if (block.key !== null) days.push({ ...block, x, y, width: placed.width });
    line = Math.max(line, head + placed.height + (head ? AFTER_DAY : GAP));
    x += placed.width + BETWEEN_DAYS;
  }
  y += line;
  const rest = missing ? plainHeight(count, { width, target }) * (missing / count) : 0;
  return { tiles, days, known: y, height: y + rest };
}

/** About how high a section will be whose shapes aren't known yet: as if all were of one shape. */
export function estimate({ count, days }, { width, target, dayOf }) {
  if (!dayOf || !days) return plainHeight(count, { width, target });
  const wide = target * UNKNOWN + GAP;
  let [x, y, line] = [0, 0, 0];
  for (const { count: pictures } of days) {
    const block = Math.min(width, Math.max(NARROWEST_DAY, pictures * wide - GAP));
    if (x > 0 && x + block > width + 0.5) {
      y += line;
      [x, line] = [0, 0];
    }
    line = Math.max(line, DAY + plainHeight(pictures, { width, target }) - GAP + AFTER_DAY);
    x += block + BETWEEN_DAYS;
  }
  return y + line;
}

function plainHeight(number, { width, target }) {
  return Math.ceil(number / Math.max(1, width / (target * UNKNOWN + GAP))) * (target + GAP);
}

function blocksOf(images, dayOf) {
  if (!dayOf) return images.length ? [{ key: null, first: 0, end: images.length }] : [];
  const blocks = [];
  images.forEach((image, index) => {
    const key = dayOf(image);
    const last = blocks.at(-1);
    if (last && last.key === key) last.end = index + 1;
    else blocks.push({ key, first: index, end: index + 1 });
  });
  return blocks;
}

/** A day as rows of its own; one that fits into a row is as wide as its pictures. */
function blockOf(images, { first, end }, { width, target }) {
  const ratios = images.slice(first, end).map(({ ratio }) => ratio);
  const rows = rowsOf(ratios, { start: 0, width, target, gap: GAP, whole: false });
  const tiles = [];
  let [y, widest] = [0, 0];
  for (const row of rows) {
    let x = 0;
    for (let at = row.first; at < row.end; at++) {
      const wide = shapeOf(ratios[at]) * row.height;
      tiles.push({ index: first + at, x, y, width: wide, height: row.height });
      x += wide + GAP;
    }
    widest = Math.max(widest, x - GAP);
    y += row.height + GAP;
  }
  return { tiles, height: Math.max(0, y - GAP), width: Math.min(width, Math.max(widest, rows.length > 1 ? width : Math.min(width, NARROWEST_DAY))) };
}

