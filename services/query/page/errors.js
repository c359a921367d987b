/** What went wrong, for a person: one sentence without a host, a route, a class or an id. */

import { FAILED } from "./messages.js";

const TECHNICAL = /https?:|\/v1\/|\b[A-Z][a-z]+(?:[A-Z][a-z]+)*(?:Error|Exception|Timeout)\b|\bUnexpected [A-Z]|\bsee the log\b|\b\d{1,3}(?:\.\d{1,3}){3}\b|\blocalhost\b|:\d{4,5}\b|[0-9a-f]{16,}|ISE_[A-Z]/;

/** {sentence, details}; `details` is null where the sentence says it all. */
export function humane(error) {
  const detail = error?.message ?? "";
  const whole = [error?.title, detail, error?.details, error?.requestId && FAILED.request(error.requestId)]
    .filter(Boolean)
    .join(" · ");
  const known = byStatus(error);
  if (known) return { sentence: known, details: whole || null };
  if (!detail || isTechnical(detail)) return { sentence: beginning(detail) || FAILED.generic, details: whole || null };
  const more = [error.details, error.requestId && FAILED.request(error.requestId)].filter(Boolean).join(" · ");
  return { sentence: detail, details: more || null };
}

/** A sentence that the service wrote, parted into what a person reads and the rest. */
export function humaneText(text) {
  if (!text) return { sentence: "", details: null };
  return isTechnical(text) ? { sentence: FAILED.unexpected, details: text } : { sentence: text, details: null };
}

/** The sentences before the first one that is for whoever runs the service. */
function beginning(text) {
  const sentences = text.split(/(?<=[.?!])\s+/);
  const at = sentences.findIndex(isTechnical);
  return sentences.slice(0, at).join(" ");
}

export function isTechnical(text) {
  return TECHNICAL.test(text);
}

function byStatus(error) {
  if (error?.offline) return FAILED.offline;
  if (error?.status === 403) return FAILED.forbidden;
  if (error?.status === 429) return FAILED.busy;
  if (error?.status === 503 && (error.details || isTechnical(error.message))) return FAILED.away;
  if (error?.status === 502 || error?.status === 504) return FAILED.away;
  return null;
}
