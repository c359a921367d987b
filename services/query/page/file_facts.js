/** When, where and with what a picture was taken, and what the model sees in it. */

import { hrefOf } from "./address.js";
import { bytes } from "./collection_words.js";
import { localDay, wallTime } from "./dates.js";
import { el } from "./dom.js";
import { LARGE, number } from "./messages.js";
import { by, part } from "./query.js";
import { percent } from "./words.js";

const LABELS = 5;
const LEAST = 0.05;

/** Rows of what is known: [name, value]. */
export function factsOf({ file = {}, added_at: added }) {
  const { width, height, bytes: size, format } = file;
  const pixels = width && height ? `${number(Number(width))} × ${number(Number(height))}` : null;
  const place = file.latitude != null && file.longitude != null ? position(file) : null;
  return [
    [LARGE.taken, file.taken_at && wallTime(file.taken_at)],
    [LARGE.camera, file.camera],
    [LARGE.lens, file.lens],
    [LARGE.size, [pixels, size && bytes(Number(size)), format].filter(Boolean).join(" · ")],
    [LARGE.position, place],
    [LARGE.added, added && localDay(added)],
  ].filter(([, value]) => value);
}

/** The model's suggestions, each a search for what it names. */
export function labelsOf({ labels = [] }) {
  const likely = labels.filter(({ probability }) => probability >= LEAST).slice(0, LABELS);
  if (!likely.length) return null;
  return el(
    "ul",
    { class: "tags", "aria-label": LARGE.labels, title: LARGE.labelsNote },
    ...likely.map(({ name, probability }) =>
      el(
        "li",
        {},
        el(
          "a",
          { class: "chip suggested-label", href: hrefOf(by([part("term", name)])), "data-search": true },
          name,
          el("span", { class: "count" }, percent(probability)),
        ),
      ),
    ),
  );
}

function position({ latitude, longitude }) {
  const side = (value, plus, minus) => `${Math.abs(value).toFixed(4)}° ${value < 0 ? minus : plus}`;
  return `${side(Number(latitude), "N", "S")}, ${side(Number(longitude), "E", "W")}`;
}
