/** A plan of duplicates to delete, with what to expect of it; and the comparison that it needs. */

import { humane } from "./errors.js";
import { el, fill } from "./dom.js";
import { DUPLICATES } from "./messages.js";

const BUDGET = 0.02;
const LOOK_MS = 1000;

export class DuplicatesPlan {
  #plan = null;
  #spared = new Set();

  /** `changed()` is called where the groups are others by now. */
  constructor({ api, browse, bulk }, changed) {
    this.api = api;
    this.browse = browse;
    this.bulk = bulk;
    this.changed = changed;
    this.element = el("section", { class: "plan", "aria-label": DUPLICATES.plan });
  }

  /** A page of groups as the view has them; null where nothing was compared, or nothing can be. */
  async page(cursor, signal) {
    try {
      this.#plan = await this.browse.duplicatesPlan(BUDGET, cursor, signal);
    } catch (error) {
      if (error.name === "AbortError" || cursor !== null) throw error;
      // The other list does without.
      return null;
    }
    this.#show();
    if (!this.#plan.pictures) return null;
    const groups = this.#plan.groups.map(({ kept, others }) => [
      { id: kept.id, score: 1 },
      ...others.map(({ id, probability, kind, goes }) => ({ id, score: probability, kind, goes })),
    ]);
    return { groups, next: this.#plan.next, looked_at: groups.length, clusters: this.#plan.total };
  }

  /** Leaves out pictures that were decided to stay. */
  spare(images) {
    for (const { id, goes } of images) if (goes) this.#spared.add(id);
    this.#show();
  }

  /** Another plan: what was decided of the former one counts no longer. */
  forget() {
    this.#spared.clear();
  }

  #show(notice = "") {
    const plan = this.#plan;
    const { waiting } = plan;
    const goes = plan.delete - this.#spared.size;
    fill(
      this.element,
      plan.pictures > 0 && el("p", { class: "expect" }, goes > 0 ? DUPLICATES.expect(goes, Math.min(goes, plan.at_most_wrong)) : plan.over_budget ? DUPLICATES.unsure(plan.over_budget) : DUPLICATES.none),
      goes > 0 && el("button", { type: "button", class: "primary", click: (event) => this.#delete(event.currentTarget) }, DUPLICATES.remove(goes)),
      waiting > 0 && el("button", { type: "button", class: "quiet", click: (event) => this.#compare(event.currentTarget) }, DUPLICATES.compare(waiting)),
      notice && el("p", { role: "status" }, notice),
    );
  }

  async #delete(button) {
    button.disabled = true;
    try {
      const { deleted, undo } = await this.browse.deleteDuplicates(this.#plan, [...this.#spared]);
      this.bulk.say(DUPLICATES.removed(deleted), undo && (() => this.#undo(undo)));
      this.changed();
    } catch (error) {
      this.bulk.say(humane(error).sentence);
      this.changed();
    }
  }

  async #undo(token) {
    try {
      await this.browse.undo(token);
    } catch (error) {
      this.bulk.say(humane(error).sentence);
    }
    this.changed();
  }

  async #compare(button) {
    button.disabled = true;
    try {
      let job = await this.browse.compareDuplicates();
      while (["queued", "running"].includes(job.state) && this.element.isConnected) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        job = await this.api.call(`v1/jobs/${encodeURIComponent(job.id)}`);
        button.textContent = DUPLICATES.comparing(job.progress.stage_done, job.progress.stage_total);
      }
      if (this.element.isConnected) this.changed();
    } catch (error) {
      this.#show(humane(error).sentence);
    }
  }
}
