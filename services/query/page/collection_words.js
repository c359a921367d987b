/** Jobs, times and sizes in plain words. */

import { count } from "./words.js";

const NAMES = {
  ingest: "Ingest",
  build: "Build",
  train: "Training",
  compact: "Merging additions",
  import: "Import",
  reembed: "Model change",
  migrate: "Migration",
  learn: "Background learning",
  label: "Labels",
  "accept-labels": "Tags from labels",
};

export const STATES = {
  queued: "Waiting",
  running: "Running",
  succeeded: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

const MOMENT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

export function jobName({ kind }) {
  return NAMES[kind] ?? kind;
}

export function moment(text) {
  return MOMENT.format(new Date(text));
}

/** How far a job is, or what came of it. */
export function progressSentence({ state, progress }) {
  const { stage, done, total, stage_total: steps, per_second: speed, eta_s: left } = progress;
  if (state === "queued") return "Waiting for the previous job.";
  if (state !== "running") return total ? `${whole(done)} of ${whole(total)}` : "";
  const parts = [stage ? stage.charAt(0).toUpperCase() + stage.slice(1) : "Starting"];
  // A stage that counts no pictures has its own detail in its name, or none.
  if (done < total && (!steps || steps === total)) parts[0] += ` ${whole(done)} of ${whole(total)}`;
  if (speed && done < total) parts.push(`${whole(Math.max(1, Math.round(speed)))} a second`);
  if (left !== null && left !== undefined) parts.push(`${duration(left)} left`);
  return parts.join(", ");
}

/** How far the present stage is; of pictures, where it counts nothing of its own. */
export function reached({ done, total, stage_done: steps, stage_total: all }) {
  return all ? { done: steps, total: all } : { done, total };
}

/** What a job went on without, and why. */
export function skippedSentences({ result }) {
  return (result?.skipped_steps ?? []).map(({ step, reason }) => `Without ${step}: ${reason}`);
}

export function duration(seconds) {
  if (seconds < 90) return count(Math.max(1, Math.round(seconds)), "second");
  if (seconds < 5400) return count(Math.round(seconds / 60), "minute");
  return count(Math.round(seconds / 3600), "hour");
}

export function bytes(value) {
  if (value >= 2 ** 30) return `${(value / 2 ** 30).toFixed(1)} GiB`;
  if (value >= 2 ** 20) return `${(value / 2 ** 20).toFixed(1)} MiB`;
  return `${Math.max(1, Math.round(value / 1024))} KiB`;
}

export function sentenceOf(error) {
  return `${error.title}. ${error.message}`;
}

function whole(number) {
  return number.toLocaleString("en");
}
