/** Starting a build or a training, with their settings. */

import { field, jobForm, select } from "./collection_fields.js";
import { el } from "./dom.js";

export class Work {
  constructor(section, api, { onStarted }) {
    section.replaceChildren(
      el("h2", { id: "work-title" }, "Build and train"),
      disclosed("Rebuild the index", buildForm(api, onStarted)),
      disclosed("Train word matching", trainForm(api, onStarted)),
    );
  }
}

function disclosed(title, form) {
  return el("details", {}, el("summary", {}, title), form);
}

function buildForm(api, onStarted) {
  const clusters = number("build-clusters", { max: 1000000, placeholder: "Automatic" });
  const metric = select("build-metric", [
    ["cosine", "Cosine similarity"],
    ["l2", "L2 distance"],
  ]);
  const transform = select("build-transform", [
    ["auto", "Best measured"],
    ["none", "Nothing"],
    ["l2", "Unit length"],
    ["pca:128", "PCA to 128"],
  ]);
  const rows = select("build-rows", [
    ["float32", "float32"],
    ["float16", "float16, half the disk"],
  ]);
  const request = () => ({
    clusters: clusters.value ? Number(clusters.value) : "auto",
    metric: metric.value,
    transform: transform.value,
    rows: rows.value,
  });
  return jobForm(
    "Start the build",
    async () => onStarted(await api.build(request())),
    el("p", { class: "soft wide" }, "Clusters all images again. Searches continue meanwhile."),
    field("Clusters", clusters),
    field("Made for", metric),
    field("Feature transform", transform),
    field("Stored as", rows),
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
    "Start the training",
    async () => onStarted(await api.train(request())),
    el("p", { class: "soft wide" }, "Learns words from the tags of your images."),
    field("Epochs", epochs, "Maximum number."),
    field("Patience", patience, "Epochs without improvement before training stops."),
  );
}

function number(id, { max, placeholder }) {
  return el("input", { id, type: "number", min: 1, max, step: 1, inputmode: "numeric", placeholder });
}
