/** Jobs, times and sizes in plain words. */

import { LANGUAGE, count } from "./messages.js";
import { JOBS } from "./messages_manage.js";

export const STATES = JOBS.states;

const MOMENT = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });

/** What a job is called: what it does, with what; once it has ended, what it did. */
export function jobName({ kind, source, dry_run: trial, state, result }) {
  if (kind === "reembed" && trial) return JOBS.comparing;
  if (kind !== "ingest" || !source) return JOBS.kinds[kind] ?? kind;
  const name = source.split(/[\\/]/).filter(Boolean).pop() ?? source;
  if (trial) return JOBS.dryRun(name);
  if (result?.plan) return JOBS.following(name);
  return state === "succeeded" ? JOBS.added(name) : JOBS.adding(name);
}

export function moment(text) {
  return MOMENT.format(new Date(text));
}

/** How far a job is, or what came of it. */
export function progressSentence({ state, progress, result }) {
  const { stage, done, total, stage_total: steps, per_second: speed, eta_s: left } = progress;
  if (state === "queued") return JOBS.waiting;
  if (state !== "running") return outcome(result) || (total ? JOBS.of(done, total) : "");
  const parts = [stage ? stage.charAt(0).toUpperCase() + stage.slice(1) : JOBS.starting];
  // A stage that counts no pictures has its own detail in its name, or none.
  if (done < total && (!steps || steps === total)) parts[0] += ` ${JOBS.of(done, total)}`;
  if (speed && done < total) parts.push(JOBS.speed(Math.max(1, Math.round(speed))));
  if (left !== null && left !== undefined) parts.push(JOBS.left(duration(left)));
  return parts.join(", ");
}

function outcome(result) {
  const { embedded: added, already_there: known, failed, receipt } = result ?? {};
  if (receipt) return receiptSentence(receipt);
  const parts = [];
  if (added != null) parts.push(JOBS.result.added(Number(added)));
  if (Number(known)) parts.push(JOBS.result.known(Number(known)));
  if (Number(failed)) parts.push(JOBS.result.failed(Number(failed)));
  return parts.join(", ");
}

/** What another model was expected to change, and what came. */
function receiptSentence({ expected, came, agreement, sample, seconds }) {
  if (!expected) return JOBS.receipt.shared(Math.round(100 * agreement), sample);
  const sentence = JOBS.receipt.expected(...[expected.change, expected.low, expected.high].map(signed));
  if (came) return `${sentence}, ${JOBS.receipt.came(signed(came.change), came.after.toFixed(2))}`;
  return seconds ? `${sentence}, ${JOBS.receipt.takes(duration(seconds))}` : sentence;
}

function signed(value) {
  return `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`;
}

/** How far the present stage is; of pictures, where it counts nothing of its own. */
export function reached({ done, total, stage_done: steps, stage_total: all }) {
  return all ? { done: steps, total: all } : { done, total };
}

/** What a job went on without, and why. */
export function skippedSentences({ result }) {
  return (result?.skipped_steps ?? []).map(({ step, reason }) => JOBS.without(step, reason));
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
