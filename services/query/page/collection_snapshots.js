/** The snapshots that are kept, and the way back to one. */

import { moment, sentenceOf } from "./collection_words.js";
import { el } from "./dom.js";
import { count } from "./words.js";

const SHOWN = 6;

export class SnapshotList {
  #shown = null;
  #all = false;
  #body = el("div");
  #told = el("p", { class: "job-error", role: "alert", hidden: true });

  /** `onActivate(snapshot)` goes back to one. */
  constructor(section, question, { onActivate }) {
    this.question = question;
    this.onActivate = onActivate;
    section.replaceChildren(
      el("h2", { id: "snapshots-title" }, "Snapshots"),
      this.#told,
      this.#body,
    );
  }

  render(state) {
    this.state = state;
    const { snapshots, errors } = state;
    if (!snapshots) {
      const words = errors.indexer
        ? "Snapshots are unavailable without the indexer."
        : "Loading.";
      this.#body.replaceChildren(el("p", { class: "soft" }, words));
      return;
    }
    // Drawn anew only when they changed, so that the focus stays where it is.
    const now = JSON.stringify([snapshots, this.#all]);
    if (now === this.#shown) return;
    this.#shown = now;
    const listed = this.#all ? snapshots : snapshots.slice(0, SHOWN);
    const more = snapshots.length - listed.length;
    this.#body.replaceChildren(
      el("ol", { class: "snapshots", "aria-label": "Snapshots, the newest first" }, ...listed.map((one) => this.#row(one))),
      more > 0
        ? el("button", { type: "button", class: "quiet small", click: () => this.#showAll() }, `Show ${more} more`)
        : "",
    );
  }

  #showAll() {
    this.#all = true;
    this.render(this.state);
    this.#body.querySelectorAll("button")[SHOWN - 1]?.focus();
  }

  #row(snapshot) {
    const { number, created_at: created, reason, images, clusters, current } = snapshot;
    const holds = clusters
      ? `${count(images, "image")} in ${count(clusters, "cluster")}`
      : count(images, "image");
    return el(
      "li",
      { "aria-current": current ? "true" : null },
      el("strong", {}, `${number}`),
      el(
        "div",
        {},
        el("p", {}, sentence(reason)),
        el("p", { class: "soft" }, `${holds}, ${moment(created)}`),
      ),
      current
        ? el("span", { class: "state" }, "In use")
        : images > 0 &&
            el(
              "button",
              {
                type: "button",
                class: "quiet small",
                "aria-label": `Go back to snapshot ${number}`,
                click: () => this.#goBack(snapshot),
              },
              "Go back",
            ),
    );
  }

  async #goBack(snapshot) {
    const { number, images, clusters } = snapshot;
    const agreed = await this.question.ask(
      `Roll back to snapshot ${number}?`,
      [
        `Searches will use its index: ${count(images, "image")} in ${count(clusters, "cluster")}.`,
        "Deleted pictures stay deleted. Newer pictures stay if the model is the same.",
        "This creates a new snapshot, so you can return to the current one.",
      ],
      `Go back to ${number}`,
    );
    if (!agreed) return;
    this.#told.hidden = true;
    try {
      await this.onActivate(snapshot);
    } catch (error) {
      this.#told.textContent = sentenceOf(error);
      this.#told.hidden = false;
    }
  }
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
