/** Places of the Earth on a square of side 1, as Mercator drew them; and the outline as a path. */

import { BORDERS, LAND } from "./world.js";

const FARTHEST = 85;
/** The path is drawn in these units, as browsers round what is very small. */
export const UNITS = 4096;

export function across(longitude) {
  return (longitude + 180) / 360;
}

export function down(latitude) {
  const angle = (Math.max(-FARTHEST, Math.min(FARTHEST, latitude)) * Math.PI) / 180;
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + angle / 2)) / (2 * Math.PI);
}

export function longitudeAt(x) {
  return x * 360 - 180;
}

export function latitudeAt(y) {
  return (Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) * 2 - Math.PI / 2) * (180 / Math.PI);
}

export const landPath = () => LAND.map((ring) => `${line(ring)}Z`).join("");

export const borderPath = () => BORDERS.map(line).join("");

/** Each point but the first is told as its difference to the one before, in tenths of degrees. */
function line(ring) {
  let [x, y] = [0, 0];
  const parts = [];
  for (let at = 0; at < ring.length; at += 2) {
    // What crosses the date line goes on beyond the edge: the map is drawn there a second time.
    const step = ring[at];
    x += at > 0 && Math.abs(step) > 1800 ? step - 3600 * Math.sign(step) : step;
    y += ring[at + 1];
    parts.push(`${at ? "L" : "M"}${(across(x / 10) * UNITS).toFixed(1)} ${(down(y / 10) * UNITS).toFixed(1)}`);
  }
  return parts.join("");
}
