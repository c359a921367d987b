/** When, where and with what a picture was taken. */

import { bytes } from "./collection_words.js";
import { localDay, wallTime } from "./dates.js";
import { LARGE, number } from "./messages.js";
import { clock } from "./video.js";

/** Rows of what is known: [name, value]. */
export function factsOf({ file = {}, added_at: added }) {
  const { width, height, bytes: size, format, duration_s: length } = file;
  const pixels = width && height ? `${number(Number(width))} × ${number(Number(height))}` : null;
  const place = file.latitude != null && file.longitude != null ? placeOf(file) : null;
  return [
    [LARGE.taken, file.taken_at && wallTime(file.taken_at)],
    [LARGE.camera, file.camera],
    [LARGE.lens, file.lens],
    [LARGE.size, [pixels, length != null && clock(length), size && bytes(Number(size)), format].filter(Boolean).join(" · ")],
    [LARGE.position, place],
    [LARGE.added, added && localDay(added)],
  ].filter(([, value]) => value);
}

function placeOf(file) {
  const names = [file.city, file.country].filter(Boolean).join(", ");
  return names ? `${names} (${position(file)})` : position(file);
}

function position({ latitude, longitude }) {
  const side = (value, plus, minus) => `${Math.abs(value).toFixed(4)}° ${value < 0 ? minus : plus}`;
  return `${side(Number(latitude), "N", "S")}, ${side(Number(longitude), "E", "W")}`;
}
