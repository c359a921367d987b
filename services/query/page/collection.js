/** The collection view: joins the API, what is known of the collection, and the view's parts. */

import { Api } from "./api.js";
import { BrowseApi } from "./browse_api.js";
import { Add } from "./collection_add.js";
import { CollectionApi } from "./collection_api.js";
import { Figures } from "./collection_figures.js";
import { Health } from "./collection_health.js";
import { Jobs } from "./collection_jobs.js";
import { Notice } from "./collection_notice.js";
import { Polling } from "./collection_polling.js";
import { Question } from "./collection_question.js";
import { SnapshotList } from "./collection_snapshots.js";
import { Work } from "./collection_work.js";
import { jobName, STATES } from "./collection_words.js";
import { byId } from "./dom.js";
import { humane } from "./errors.js";
import { FolderChooser } from "./folder_chooser.js";
import { sayFrame } from "./frame_texts.js";
import { KeyForm } from "./key_form.js";
import { JOBS, SNAPSHOTS } from "./messages_manage.js";
import { Paused } from "./paused.js";
import { foldRail } from "./rail.js";
import { Toast } from "./toast.js";

sayFrame();
const keyForm = new KeyForm(byId("key"));
const api = new CollectionApi(new Api((wrong) => keyForm.ask(wrong)));
/** What is known: null until it was told. `errors`: why a service doesn't tell. */
const state = { stats: null, health: null, jobs: null, nextJobs: null, snapshots: null, errors: {} };

const question = new Question(byId("question"));
const toast = new Toast(byId("undo"));
const polling = new Polling(ask);
const views = [
  new Notice(byId("notice"), () => polling.now()),
  new Figures(byId("figures")),
  new Health(byId("health")),
  new Jobs(byId("jobs"), api, { onCancel: cancel, onUndo: undo }),
  new SnapshotList(byId("snapshots"), question, { onActivate: activate }),
];
new Add(byId("add"), api, new FolderChooser(byId("folders"), api), { onAdded: () => polling.now(), onStarted: started });
new Work(byId("work"), api, { onStarted: started });

/** Asks how things are; resolves to whether a job is going on, or null without the key for it. */
async function ask() {
  const [stats, jobs] = await Promise.allSettled([api.stats(), api.jobs()]);
  state.errors = { query: stats.reason, indexer: jobs.reason };
  if (jobs.value) {
    tellEnded(state.jobs ?? [], jobs.value.jobs);
    state.jobs = jobs.value.jobs;
    state.nextJobs = jobs.value.next ?? null;
    if (!state.health || hasChanged(state.stats, stats.value)) await askIndex();
  }
  if (stats.value) state.stats = stats.value;
  for (const view of views) view.render(state);
  if (state.errors.query?.status === 401) return null;
  return !state.errors.indexer && state.jobs.some(isActive);
}

/** Costs the indexer more, so it's asked for only when it may be another than before. */
async function askIndex() {
  try {
    [state.health, state.snapshots] = await Promise.all([api.health(), api.snapshots()]);
  } catch (error) {
    state.errors.indexer = error;
    state.health = null;
  }
}

function hasChanged(before, now) {
  return before?.snapshot !== now?.snapshot || before?.images !== now?.images;
}

/** Says to screen readers which jobs have ended since. */
function tellEnded(before, now) {
  const active = new Set(before.filter(isActive).map((job) => job.id));
  const ended = now.filter((job) => active.has(job.id) && !isActive(job));
  if (ended.length)
    say(ended.map((job) => JOBS.ended(jobName(job), STATES[job.state].toLowerCase())).join(" "));
}

function started(job) {
  say(JOBS.started(jobName(job)));
  return polling.now();
}

async function cancel(job) {
  try {
    await api.cancel(job);
    say(JOBS.cancelling(jobName(job)));
  } catch (error) {
    // It may have ended just before; what's drawn next shows that it has.
    say(humane(error).sentence);
  }
  await polling.now();
}

/** Takes back what an ingest did. */
async function undo(job) {
  const gone = Number(job.result?.delete ?? 0);
  const words = gone ? [...JOBS.undoWords, JOBS.undoSync] : JOBS.undoWords;
  if (!(await question.ask(JOBS.undoTitle, words, JOBS.undoAction))) return;
  try {
    await started(await new BrowseApi(api.api).undoJob(job.id));
  } catch (error) {
    toast.show(humane(error).sentence);
  }
}

async function activate(snapshot) {
  await api.activate(snapshot.number);
  await polling.now();
  say(SNAPSHOTS.used(snapshot.number));
}

function isActive({ state: now }) {
  return now === "queued" || now === "running";
}

function say(sentence) {
  byId("spoken").textContent = sentence;
}

window.addEventListener("online", () => polling.now());
foldRail();
polling.now();
new Paused(byId("paused")).look();
