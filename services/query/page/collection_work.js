/** Starting a build or a training, with their settings. */

import { field, jobForm, select } from "./collection_fields.js";
import { el } from "./dom.js";
import { WORK } from "./messages_manage.js";

export class Work {
  constructor(section, api, { onStarted }) {
    section.replaceChildren(
      el("h2", { id: "work-title" }, WORK.title),
      disclosed(WORK.build, buildForm(api, onStarted)),
      disclosed(WORK.train, trainForm(api, onStarted)),
    );
  }
}

function disclosed(title, form) {
  return el("details", {}, el("summary", {}, title), form);
}

function buildForm(api, onStarted) {
  const clusters = number("build-clusters", { max: 1000000, placeholder: WORK.automatic });
  const metric = select("build-metric", WORK.metrics);
  const transform = select("build-transform", WORK.transforms);
  const rows = select("build-rows", WORK.rows);
  const request = () => ({
    clusters: clusters.value ? Number(clusters.value) : "auto",
    metric: metric.value,
    transform: transform.value,
    rows: rows.value,
  });
  return jobForm(
    WORK.startBuild,
    async () => onStarted(await api.build(request())),
    el("p", { class: "soft wide" }, WORK.buildWords),
    field(WORK.clusters, clusters),
    field(WORK.metric, metric),
    field(WORK.transform, transform),
    field(WORK.stored, rows),
  );
}

function trainForm(api, onStarted) {
  const epochs = number("train-epochs", { max: 1000, placeholder: "10" });
  const patience = number("train-patience", { max: 1000, placeholder: "4" });
  const request = () => {
    const settings = {};
    if (epochs.value) settings.epochs = Number(epochs.value);
    if (patience.value) settings.patience = Number(patience.value);
    return settings;
  };
  return jobForm(
    WORK.startTraining,
    async () => onStarted(await api.train(request())),
    el("p", { class: "soft wide" }, WORK.trainWords),
    field(WORK.epochs[0], epochs, WORK.epochs[1]),
    field(WORK.patience[0], patience, WORK.patience[1]),
  );
}

function number(id, { max, placeholder }) {
  return el("input", { id, type: "number", min: 1, max, step: 1, inputmode: "numeric", placeholder });
}
