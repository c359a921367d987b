/** What the collection holds, in numbers. */

import { el } from "./dom.js";

const METRICS = { cosine: "Cosine similarity", l2: "L2 distance" };

export class Figures {
  constructor(section) {
    this.section = section;
  }

  render({ stats }) {
    if (!stats) return this.section.replaceChildren(list(["Images", "Tags", "Clusters"]));
    this.section.replaceChildren(
      list(
        ["Images", number(stats.images)],
        ["Tags", number(stats.tags)],
        ["Clusters", number(stats.clusters)],
        ["Snapshot", number(stats.snapshot)],
        ["Compared by", METRICS[stats.metric] ?? stats.metric, "words"],
        ["Model", stats.model ?? "none yet", "name"],
        ["Words by", stats.network ?? "no network yet", "name"],
      ),
    );
  }
}

function list(...figures) {
  const entries = figures.map((figure) => {
    const [name, value = "\u2013", kind = "number"] = [figure].flat();
    return el("div", { class: kind }, el("dt", {}, name), el("dd", {}, value));
  });
  return el("dl", { class: "figures" }, ...entries);
}

function number(value) {
  return value.toLocaleString("en");
}
