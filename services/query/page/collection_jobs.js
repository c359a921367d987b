/** The jobs: how far they are, what they could not take, and how to end them. */

import { JobRow } from "./collection_job.js";
import { el } from "./dom.js";
import { JOBS } from "./messages_manage.js";

const SHOWN = 6;

export class Jobs {
  #rows = new Map();
  #all = false;
  #list = el("ol", { class: "jobs", "aria-label": JOBS.label });
  #words = el("p", { class: "soft" });
  #more = el("button", { type: "button", class: "quiet small", hidden: true });

  constructor(section, api, actions) {
    this.api = api;
    this.actions = actions;
    this.#more.addEventListener("click", () => {
      this.#all = true;
      this.render(this.state);
      this.#list.children[SHOWN]?.querySelector(".job-name").focus();
    });
    section.replaceChildren(
      el("h2", { id: "jobs-title" }, JOBS.title),
      this.#words,
      this.#list,
      this.#more,
    );
  }

  /** Rows stay the same elements from one time to the next, so that focus and lists stay. */
  render(state) {
    this.state = state;
    const { jobs, errors } = state;
    this.#words.hidden = Boolean(jobs?.length);
    if (!jobs) this.#words.textContent = errors.indexer ? JOBS.away : JOBS.loading;
    else this.#words.textContent = JOBS.none;
    const shown = this.#all ? (jobs ?? []) : (jobs ?? []).slice(0, SHOWN);
    const rows = shown.map((job) => this.#rowOf(job));
    rows.forEach((row, index) => {
      if (this.#list.children[index] !== row.element)
        this.#list.insertBefore(row.element, this.#list.children[index] ?? null);
    });
    while (this.#list.children.length > rows.length) this.#list.lastChild.remove();
    this.#more.hidden = shown.length === (jobs?.length ?? 0);
    this.#more.textContent = JOBS.all(jobs?.length ?? 0);
  }

  #rowOf(job) {
    const row = this.#rows.get(job.id) ?? new JobRow(job, this.api, this.actions);
    this.#rows.set(job.id, row);
    row.update(job);
    return row;
  }
}
