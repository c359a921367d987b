/** One job. */

import { el } from "./dom.js";
import { jobName, moment, progressSentence, reached, skippedSentences, STATES } from "./collection_words.js";
import { count } from "./words.js";

const FAILURES_SHOWN = 200;

export class JobRow {
  #state = el("span", { class: "state" });
  #bar = el("progress");
  #words = el("p", { class: "job-words" });
  #skipped = el("ul", { class: "job-skipped soft", "aria-label": "Left out", hidden: true });
  #error = el("p", { class: "job-error", hidden: true });
  #cancel = el("button", { type: "button", class: "quiet small", hidden: true }, "Cancel");
  #failures = el("button", { type: "button", class: "quiet small", hidden: true, "aria-expanded": "false" });
  #list = el("div", { class: "failures", hidden: true });

  constructor(job, api, onCancel) {
    this.job = job;
    this.api = api;
    const name = jobName(job);
    this.#bar.setAttribute("aria-label", `Progress of the ${name.toLowerCase()}`);
    this.#cancel.setAttribute("aria-label", `Cancel the ${name.toLowerCase()}`);
    this.#cancel.addEventListener("click", async () => {
      this.#cancel.disabled = true;
      await onCancel(this.job);
      this.#cancel.disabled = false;
    });
    this.#failures.addEventListener("click", () => this.#toggle());
    this.element = el(
      "li",
      { class: "job" },
      el(
        "div",
        { class: "job-head" },
        el("span", { class: "job-name", tabindex: "-1" }, name),
        this.#state,
        el("time", { datetime: job.created_at }, moment(job.created_at)),
      ),
      this.#bar,
      this.#words,
      this.#skipped,
      this.#error,
      el("div", { class: "job-buttons" }, this.#cancel, this.#failures),
      this.#list,
    );
  }

  update(job) {
    this.job = job;
    const { state, progress } = job;
    const active = state === "queued" || state === "running";
    this.element.dataset.state = state;
    this.#state.textContent = STATES[state];
    this.#bar.hidden = !active;
    const { done, total } = reached(progress);
    if (active && done < total) {
      this.#bar.max = total;
      this.#bar.value = done;
    } else this.#bar.removeAttribute("value");
    this.#words.textContent = progressSentence(job);
    this.#words.hidden = !this.#words.textContent;
    const skipped = skippedSentences(job);
    this.#skipped.hidden = !skipped.length;
    this.#skipped.replaceChildren(...skipped.map((sentence) => el("li", {}, sentence)));
    this.#error.textContent = job.error ?? "";
    this.#error.hidden = !job.error;
    this.#cancel.hidden = !active;
    this.#failures.hidden = !progress.failed;
    this.#failures.textContent = count(progress.failed, "failure");
  }

  async #toggle() {
    const open = this.#list.hidden;
    this.#failures.setAttribute("aria-expanded", String(open));
    this.#list.hidden = !open;
    if (!open) return;
    this.#list.replaceChildren(el("p", { class: "soft" }, "Loading the failures."));
    try {
      this.#list.replaceChildren(...failuresOf(await this.api.failures(this.job)));
    } catch (error) {
      this.#list.replaceChildren(el("p", { class: "job-error" }, error.message));
    }
  }
}

export function failuresOf(failures) {
  const rows = failures
    .slice(0, FAILURES_SHOWN)
    .map(({ path, reason }) => el("li", {}, el("span", { class: "path" }, path), " ", reason));
  const more = failures.length - rows.length;
  return [
    el("ul", { "aria-label": "Pictures that could not be processed", tabindex: "0" }, ...rows),
    more > 0 && el("p", { class: "soft" }, `And ${more.toLocaleString("en")} more.`),
  ].filter(Boolean);
}
