/** The recall that was measured, over the share of the collection that is scanned for it. */

import { el } from "./dom.js";
import { CURVE } from "./messages_manage.js";
import { percent } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 360;
const HEIGHT = 170;
const LEFT = 44;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 34;
const TARGET = 0.95;

export function recallCurve({ points, by_reach: reaches, k, queries }) {
  const sorted = [...(reaches.length ? reaches : points)].sort((a, b) => a.scanned_fraction - b.scanned_fraction);
  const sentence = sentenceOf(sorted);
  return el(
    "figure",
    { class: "curve" },
    drawn(sorted, sentence),
    el(
      "figcaption",
      {},
      sentence,
      el("small", {}, CURVE.measuredBy(k, queries)),
    ),
  );
}

function sentenceOf(points) {
  const enough = points.find((point) => point.recall >= TARGET) ?? points.at(-1);
  const scanned = percent(enough.scanned_fraction);
  return CURVE.reached(scanned, enough.reach !== null, enough.nprobe, percent(enough.recall));
}

function drawn(points, sentence) {
  const least = Math.min(0.9, ...points.map((point) => Math.floor(point.recall * 10) / 10));
  const most = Math.max(...points.map((point) => point.scanned_fraction));
  const x = (share) => LEFT + (share / most) * (WIDTH - LEFT - RIGHT);
  const y = (recall) => TOP + ((1 - recall) / (1 - least)) * (HEIGHT - TOP - BOTTOM);
  const path = points.map((point) => `${x(point.scanned_fraction)},${y(point.recall)}`).join(" ");
  const bottom = y(least);
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": sentence },
    svg("line", { class: "axis", x1: LEFT, y1: bottom, x2: WIDTH - RIGHT, y2: bottom }),
    svg("line", { class: "axis", x1: LEFT, y1: TOP, x2: LEFT, y2: bottom }),
    svg("line", { class: "target", x1: LEFT, y1: y(TARGET), x2: WIDTH - RIGHT, y2: y(TARGET) }),
    ...[least, TARGET, 1].map((recall) =>
      label(LEFT - 7, y(recall) + 4, "end", percent(recall)),
    ),
    ...[0, most / 2, most].map((share) =>
      label(x(share), bottom + 16, share === most ? "end" : "middle", percent(share)),
    ),
    label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 2, "middle", CURVE.scanned),
    svg("polyline", { class: "line", points: path }),
    ...points.map((point) =>
      svg("circle", { cx: x(point.scanned_fraction), cy: y(point.recall), r: 2.6 }),
    ),
  );
}

function label(x, y, anchor, text) {
  return svg("text", { x, y, "text-anchor": anchor }, text);
}

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
