/** What the collection holds, in numbers. */

import { el } from "./dom.js";
import { number } from "./messages.js";
import { FIGURES } from "./messages_manage.js";

export class Figures {
  constructor(section) {
    this.section = section;
  }

  render({ stats }) {
    if (!stats) return this.section.replaceChildren(list([FIGURES.images, FIGURES.tags, FIGURES.clusters]));
    this.section.replaceChildren(
      list(
        [FIGURES.images, number(stats.images)],
        [FIGURES.tags, number(stats.tags)],
        [FIGURES.clusters, number(stats.clusters)],
        [FIGURES.snapshot, number(stats.snapshot)],
        [FIGURES.metric, FIGURES.metrics[stats.metric] ?? stats.metric, "words"],
        [FIGURES.model, stats.model ?? FIGURES.noModel, "name"],
        [FIGURES.network, stats.network ?? FIGURES.noNetwork, "name"],
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
