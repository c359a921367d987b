/** Which picture a key leads to from another one. */

export function reached(key, { section, index }, sections) {
  const { images } = section;
  if (key === "ArrowRight") return images[index + 1] ?? first(neighbour(sections, section, 1));
  if (key === "ArrowLeft") return images[index - 1] ?? last(neighbour(sections, section, -1));
  if (key === "Home") return first(sections.list[0]);
  if (key === "End") return last(sections.list.at(-1));
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  return vertical(key === "ArrowDown" ? 1 : -1, { section, index }, sections);
}

/** The picture of the next line that lies nearest below, or above. */
function vertical(by, { section, index }, sections) {
  const { tiles } = sections.layoutOf(section);
  const from = tiles[index];
  const middle = from.x + from.width / 2;
  let at = index + by;
  while (tiles[at] && tiles[at].y === from.y) at += by;
  if (tiles[at]) return section.images[nearest(tiles, tiles[at].y, middle)];
  const other = neighbour(sections, section, by);
  if (!other?.images.length) return null;
  const there = sections.layoutOf(other).tiles;
  const line = by > 0 ? there[0].y : there.at(-1).y;
  return other.images[nearest(there, line, middle)];
}

function nearest(tiles, y, middle) {
  let best = { off: Infinity, at: 0 };
  tiles.forEach((tile, at) => {
    const off = Math.abs(tile.x + tile.width / 2 - middle);
    if (tile.y === y && off < best.off) best = { off, at };
  });
  return best.at;
}

function neighbour({ list }, section, by) {
  return list[list.indexOf(section) + by];
}

function first(section) {
  return section?.images[0] ?? null;
}

function last(section) {
  return section && !section.missing ? (section.images.at(-1) ?? null) : null;
}
