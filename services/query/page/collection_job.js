/** One job. */

import { el, fill } from "./dom.js";
import { jobName, moment, progressSentence, reached, skippedSentences, STATES } from "./collection_words.js";
import { humaneText } from "./errors.js";
import { FAILED } from "./messages.js";
import { JOBS } from "./messages_manage.js";

const FAILURES_SHOWN = 200;

export class JobRow {
  #state = el("span", { class: "state" });
  #bar = el("progress");
  #words = el("p", { class: "job-words" });
  #skipped = el("ul", { class: "job-skipped soft", "aria-label": JOBS.skipped, hidden: true });
  #error = el("div", { class: "job-error", hidden: true });
  #name;
  #undo = el("button", { type: "button", class: "quiet small", hidden: true }, JOBS.undo);
  #cancel = el("button", { type: "button", class: "quiet small", hidden: true }, JOBS.cancel);
  #failures = el("button", { type: "button", class: "quiet small", hidden: true, "aria-expanded": "false" });
  #list = el("div", { class: "failures", hidden: true });

  constructor(job, api, { onCancel, onUndo }) {
    this.job = job;
    this.api = api;
    this.#name = el("span", { class: "job-name", tabindex: "-1" });
    this.#undo.addEventListener("click", () => onUndo(this.job));
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
        this.#name,
        this.#state,
        el("time", { datetime: job.created_at }, moment(job.created_at)),
      ),
      this.#bar,
      this.#words,
      this.#skipped,
      this.#error,
      el("div", { class: "job-buttons" }, this.#cancel, this.#undo, this.#failures),
      this.#list,
    );
  }

  update(job) {
    this.job = job;
    const { state, progress } = job;
    const active = state === "queued" || state === "running";
    this.element.dataset.state = state;
    const name = jobName(job);
    if (this.#name.textContent !== name) this.#name.textContent = name;
    this.#bar.setAttribute("aria-label", JOBS.progress(name));
    this.#cancel.setAttribute("aria-label", JOBS.cancelOf(name));
    this.#undo.setAttribute("aria-label", JOBS.undoOf(name));
    this.#undo.hidden = !["ingest", "accept-labels"].includes(job.kind) || active || job.dry_run || state === "queued" || Boolean(job.result?.undone);
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
    this.#tellError(job.error);
    this.#cancel.hidden = !active;
    this.#failures.hidden = !progress.failed;
    this.#failures.textContent = JOBS.failures(progress.failed);
  }

  /** A sentence; what is of use to whoever runs the service is behind "Details". */
  #tellError(text) {
    this.#error.hidden = !text;
    if ((text ?? "") === (this.#error.dataset.text ?? "")) return;
    this.#error.dataset.text = text ?? "";
    const { sentence, details } = humaneText(text);
    fill(
      this.#error,
      el("p", {}, sentence),
      details && el("details", {}, el("summary", {}, FAILED.details), el("p", {}, details)),
    );
  }

  async #toggle() {
    const open = this.#list.hidden;
    this.#failures.setAttribute("aria-expanded", String(open));
    this.#list.hidden = !open;
    if (!open) return;
    this.#list.replaceChildren(el("p", { class: "soft" }, JOBS.loading));
    try {
      this.#list.replaceChildren(...failuresOf(await this.api.failures(this.job, FAILURES_SHOWN)));
    } catch (error) {
      this.#list.replaceChildren(el("p", { class: "job-error" }, error.message));
    }
  }
}

export function failuresOf({ failures, total }) {
  const rows = failures.map(({ path, reason }) =>
    el("li", {}, el("span", { class: "path" }, path), " ", reason),
  );
  const more = total - rows.length;
  return [
    el("ul", { "aria-label": JOBS.failuresLabel, tabindex: "0" }, ...rows),
    more > 0 && el("p", { class: "soft" }, JOBS.moreFailures(more)),
  ].filter(Boolean);
}
