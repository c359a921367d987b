/** The snapshots that are kept, and the way back to one. */

import { told } from "./browse_states.js";
import { moment } from "./collection_words.js";
import { el, fill } from "./dom.js";
import { SNAPSHOTS } from "./messages_manage.js";

const SHOWN = 6;

export class SnapshotList {
  #shown = null;
  #all = false;
  #body = el("div");
  #told = el("div", { class: "job-error form-error", role: "alert", hidden: true });

  /** `onActivate(snapshot)` goes back to one. */
  constructor(section, question, { onActivate }) {
    this.question = question;
    this.onActivate = onActivate;
    section.replaceChildren(
      el("h2", { id: "snapshots-title" }, SNAPSHOTS.title),
      this.#told,
      this.#body,
    );
  }

  render(state) {
    this.state = state;
    const { snapshots, errors } = state;
    if (!snapshots) {
      const words = errors.indexer
        ? SNAPSHOTS.away
        : SNAPSHOTS.loading;
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
      el("ol", { class: "snapshots", "aria-label": SNAPSHOTS.label }, ...listed.map((one) => this.#row(one))),
      more > 0
        ? el("button", { type: "button", class: "quiet small", click: () => this.#showAll() }, SNAPSHOTS.more(more))
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
    const holds = SNAPSHOTS.holds(images, clusters);
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
        ? el("span", { class: "state" }, SNAPSHOTS.inUse)
        : images > 0 &&
            el(
              "button",
              {
                type: "button",
                class: "quiet small",
                "aria-label": SNAPSHOTS.backTo(number),
                click: () => this.#goBack(snapshot),
              },
              SNAPSHOTS.back,
            ),
    );
  }

  async #goBack(snapshot) {
    const { number, images, clusters } = snapshot;
    const agreed = await this.question.ask(
      SNAPSHOTS.askTitle(number),
      SNAPSHOTS.words(images, clusters),
      SNAPSHOTS.action(number),
    );
    if (!agreed) return;
    this.#told.hidden = true;
    try {
      await this.onActivate(snapshot);
    } catch (error) {
      fill(this.#told, ...told(error));
      this.#told.hidden = false;
    }
  }
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
