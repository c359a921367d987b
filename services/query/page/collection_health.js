/** How the index does: what it is advised, how it changed, and the recall that was measured. */

import { recallCurve } from "./collection_curve.js";
import { el } from "./dom.js";
import { HEALTH } from "./messages_manage.js";
import { percent } from "./words.js";

export class Health {
  constructor(section) {
    this.section = section;
    this.render({ errors: {} });
  }

  render({ stats, health, errors }) {
    this.section.replaceChildren(
      el("h2", { id: "health-title" }, HEALTH.title),
      ...(health ? told(health, stats?.learning ?? health.learning) : [el("p", { class: "soft" }, waiting(errors.indexer))]),
      ...(stats ? measured(stats) : []),
    );
  }
}

function waiting(error) {
  return error ? HEALTH.away : HEALTH.loading;
}

function told(health, learning) {
  if (!health.images)
    return [el("p", { class: "soft" }, HEALTH.none)];
  const isDue = health.advice || learning?.tasks.length;
  const sentences = [
    health.advice ?? (isDue ? null : HEALTH.good),
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
    [HEALTH.added, percent(health.additions), HEALTH.ofStored],
    [HEALTH.deleted, percent(health.deleted), HEALTH.ofStored],
    [
      HEALTH.imbalance,
      times(imbalance),
      former === null ? HEALTH.even : HEALTH.whenBuilt(times(former)),
    ],
  ];
  if (drift !== null) rows.push([HEALTH.drift[0], times(drift), HEALTH.drift[1]]);
  if (growth !== null) rows.push([HEALTH.growth[0], times(growth), HEALTH.growth[1]]);
  return rows;
}

function times(value) {
  return `${value.toFixed(2)}\u00d7`;
}

function measured({ recall_curve: curves, metric, live_recall: live }) {
  const curve = curves.find((one) => one.space === "visual" && one.metric === metric);
  const parts = [el("h3", {}, HEALTH.recall)];
  if (curve?.points.length) parts.push(recallCurve(curve));
  else
    parts.push(
      el("p", { class: "soft" }, HEALTH.notMeasured),
    );
  if (live) parts.push(el("p", { class: "soft" }, liveSentence(live)));
  return parts;
}

function liveSentence({ queries, measured: found, expected }) {
  return HEALTH.live(queries, percent(found), percent(expected));
}
