/** The tiles that are drawn: which one can be tabbed to, which are chosen. */

/** The first tile in sight, or the first that is drawn. `drawn`: the drawings by section. */
export function firstInSight(drawn, sections, y) {
  let best = null;
  let first = null;
  for (const [section, one] of drawn) {
    const { tiles: places } = sections.layoutOf(section);
    const before = sections.before(section);
    for (const element of one.drawn()) {
      first ??= element;
      const index = Number(element.getAttribute("aria-posinset")) - 1 - before;
      const top = section.top + (places[index]?.y ?? 0);
      if (top >= y && (!best || top < best.top)) best = { top, element };
    }
  }
  return best?.element ?? first;
}

export function markChosen(tiles, selection) {
  for (const tile of tiles) {
    const chosen = selection.has(tile.dataset.id);
    if (tile.classList.contains("chosen") === chosen) continue;
    tile.classList.toggle("chosen", chosen);
    tile.querySelector(".check-mark").setAttribute("aria-pressed", String(chosen));
  }
}

/** The ids between two, both included, whichever comes first. */
export function between(ids, from, to) {
  const [a, b] = [ids.indexOf(from), ids.indexOf(to)].sort((one, other) => one - other);
  return a < 0 ? [to] : ids.slice(a, b + 1);
}

/** How far a section is from a height, in pixels. */
export function distance({ top, height }, y) {
  return Math.max(0, top - y, y - top - height);
}
