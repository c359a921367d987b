/** The jobs: how far they are, what they could not take, and how to end them. */

import { JobRow } from "./collection_job.js";
import { el } from "./dom.js";
import { JOBS } from "./messages_manage.js";

const SHOWN = 6;

export class Jobs {
  #rows = new Map();
  #all = false;
  /** Pages after the first, which were asked for; and where they go on, null: nowhere. */
  #older = [];
  #next = null;
  #list = el("ol", { class: "jobs", "aria-label": JOBS.label });
  #words = el("p", { class: "soft" });
  #more = el("button", { type: "button", class: "quiet small", hidden: true });

  constructor(section, api, actions) {
    this.api = api;
    this.actions = actions;
    this.#more.addEventListener("click", () => this.#showMore());
    section.replaceChildren(
      el("h2", { id: "jobs-title" }, JOBS.title),
      this.#words,
      this.#list,
      this.#more,
    );
  }

  /** Shows the first page whole, then a page more at each press. */
  async #showMore() {
    const before = this.#list.children.length;
    if (this.#all) {
      this.#more.disabled = true;
      try {
        const page = await this.api.jobs(this.#next);
        this.#older.push(...page.jobs);
        this.#next = page.next;
      } catch {
        // The button stays; polling tells that the service is away.
      }
      this.#more.disabled = false;
    } else {
      this.#all = true;
      this.#next = this.state.nextJobs;
    }
    this.render(this.state);
    this.#list.children[before]?.querySelector(".job-name").focus();
  }

  /** The newest jobs, and the older ones that were asked for, each once. */
  #known(jobs) {
    const newest = new Set(jobs.map((job) => job.id));
    return [...jobs, ...this.#older.filter((job) => !newest.has(job.id))];
  }

  /** Rows stay the same elements from one time to the next, so that focus and lists stay. */
  render(state) {
    this.state = state;
    const { jobs, errors } = state;
    this.#words.hidden = Boolean(jobs?.length);
    if (!jobs) this.#words.textContent = errors.indexer ? JOBS.away : JOBS.loading;
    else this.#words.textContent = JOBS.none;
    const shown = this.#all ? this.#known(jobs ?? []) : (jobs ?? []).slice(0, SHOWN);
    const rows = shown.map((job) => this.#rowOf(job));
    rows.forEach((row, index) => {
      if (this.#list.children[index] !== row.element)
        this.#list.insertBefore(row.element, this.#list.children[index] ?? null);
    });
    while (this.#list.children.length > rows.length) this.#list.lastChild.remove();
    const total = jobs?.length ?? 0;
    this.#more.hidden = this.#all ? this.#next === null : total <= SHOWN;
    this.#more.textContent = this.#all || state.nextJobs ? JOBS.more : JOBS.all(total);
  }

  #rowOf(job) {
    const row = this.#rows.get(job.id) ?? new JobRow(job, this.api, this.actions);
    this.#rows.set(job.id, row);
    row.update(job);
    return row;
  }
}
