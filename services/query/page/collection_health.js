/** How the index does: what it is advised, how it changed, and the recall that was measured. */

import { recallCurve } from "./collection_curve.js";
import { el } from "./dom.js";
import { count, percent } from "./words.js";

export class Health {
  constructor(section) {
    this.section = section;
  }

  render({ stats, health, errors }) {
    this.section.replaceChildren(
      el("h2", { id: "health-title" }, "Index"),
      ...(health ? told(health, stats?.learning ?? health.learning) : [el("p", { class: "soft" }, waiting(errors.indexer))]),
      ...(stats ? measured(stats) : []),
    );
  }
}

function waiting(error) {
  return error ? "The state of the index is unavailable without the indexer." : "Loading.";
}

function told(health, learning) {
  if (!health.images)
    return [el("p", { class: "soft" }, "There is no index yet. Add pictures, then build one.")];
  const isDue = health.advice || learning?.tasks.length;
  const sentences = [
    health.advice ?? (isDue ? null : "In good order. No action needed."),
    learning?.tags ? learning.message : null,
  ].filter(Boolean);
  return [
    ...sentences.map((sentence) => el("p", { class: isDue ? "advice due" : "advice" }, sentence)),
    el(
      "dl",
      { class: "measures" },
      ...measures(health).map(([name, value, note]) =>
        el("div", {}, el("dt", {}, name), el("dd", {}, value), el("dd", { class: "note" }, note)),
      ),
    ),
  ];
}

function measures(health) {
  const { imbalance, imbalance_at_build: former, drift, growth } = health;
  const rows = [
    ["Added since the last merge", percent(health.additions), "of what is stored"],
    ["Deleted since", percent(health.deleted), "of what is stored"],
    [
      "Imbalance",
      times(imbalance),
      former === null ? "1 would be even" : `${times(former)} when built`,
    ],
  ];
  if (drift !== null) rows.push(["Drift", times(drift), "distance to the centres, 1 when built"]);
  if (growth !== null) rows.push(["Growth", times(growth), "images, 1 when built"]);
  return rows;
}

function times(value) {
  return `${value.toFixed(2)}\u00d7`;
}

function measured({ recall_curve: curves, metric, live_recall: live }) {
  const curve = curves.find((one) => one.space === "visual" && one.metric === metric);
  const parts = [el("h3", {}, "Measured recall")];
  if (curve?.points.length) parts.push(recallCurve(curve));
  else
    parts.push(
      el(
        "p",
        { class: "soft" },
        "Not measured yet: every image is compared until a build makes clusters.",
      ),
    );
  if (live) parts.push(el("p", { class: "soft" }, liveSentence(live)));
  return parts;
}

function liveSentence({ queries, measured: found, expected }) {
  const answers = count(queries, "answer was", "answers were");
  return `${answers} checked since: ${percent(found)} found, ${percent(expected)} expected.`;
}
