/** Heat over a picture: what each part of it adds to a likeness, red for it and blue against it. */

import { el } from "./dom.js";
import { WHY } from "./messages_search.js";

const FOR = [226, 62, 36];
const AGAINST = [43, 108, 214];
const STRONGEST = 0.72;

/**
 * A canvas to be laid over a whole picture. `grid`: rows of cells over the box `seen` of it, whose
 * sides go from 0 to 1; what the network didn't see is dark. `most`: the value of the full colour.
 */
export function heatOver(grid, seen, most) {
  const cells = el("canvas");
  cells.width = grid[0].length;
  cells.height = grid.length;
  const pixels = cells.getContext("2d").createImageData(cells.width, cells.height);
  grid.flat().forEach((value, at) => {
    const share = Math.min(1, Math.abs(value) / most);
    pixels.data.set([...(value < 0 ? AGAINST : FOR), 255 * STRONGEST * share], 4 * at);
  });
  cells.getContext("2d").putImageData(pixels, 0, 0);

  const canvas = el("canvas", { class: "heat", "aria-hidden": "true" });
  [canvas.width, canvas.height] = [480, 480];
  const pen = canvas.getContext("2d");
  const [left, top] = [seen.left * 480, seen.top * 480];
  const [width, height] = [(seen.right - seen.left) * 480, (seen.bottom - seen.top) * 480];
  pen.fillStyle = "rgb(0 0 0 / 55%)";
  pen.fillRect(0, 0, 480, 480);
  pen.clearRect(left, top, width, height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(cells, left, top, width, height);
  return canvas;
}

export function strongest(...grids) {
  return Math.max(1e-9, ...grids.filter(Boolean).flat(2).map(Math.abs));
}

/** How much of what speaks for the likeness lies in which ninth of the picture, in words. */
export function mainPlace(grid) {
  const [rows, columns] = [grid.length, grid[0].length];
  let best = { value: -Infinity };
  grid.forEach((row, y) =>
    row.forEach((value, x) => {
      if (value > best.value) best = { value, x: (x + 0.5) / columns, y: (y + 0.5) / rows };
    }),
  );
  const across = best.x < 0.34 ? WHY.sides.left : best.x > 0.66 ? WHY.sides.right : "";
  const down = best.y < 0.34 ? WHY.sides.top : best.y > 0.66 ? WHY.sides.bottom : "";
  return [down, across].filter(Boolean).join(" ") || WHY.middle;
}
