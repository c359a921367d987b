/** Numbers and terms of the API in plain words. */

import { ANSWER, CLOSENESS, PARTS } from "./messages_search.js";

/** A share of 1 in percent; what is not all never reads as 100 %, what is not nothing never as 0 %. */
export function percent(share) {
  if (share >= 1) return "100\u00a0%";
  if (share <= 0) return "0\u00a0%";
  const value = share * 100;
  if (value < 0.1) return "under 0.1\u00a0%";
  const digits = value < 10 || value > 99 ? 1 : 0;
  return `${Math.min(value, 99.9).toFixed(digits).replace(/\.0$/, "")}\u00a0%`;
}

export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(1)}\u00a0s`;
  if (value >= 10) return `${Math.round(value)}\u00a0ms`;
  return `${value.toFixed(1).replace(/\.0$/, "")}\u00a0ms`;
}

/** The file's name at the end of a path or address; what came as a vector may have its id only. */
export function nameOf({ id, uri }) {
  return uri.split(/[\\/]/).filter(Boolean).pop() ?? (uri || id);
}

/**
 * How good a hit is. A calibrated probability decides where there is one; else the cosine, whose
 * steps here are a rough guide, so what a word means is said to be near, never to match. An L2
 * distance has no scale of its own, so it is given as it is.
 */
export function closeness(hit, metric, mode) {
  if (hit.text?.length) return CLOSENESS.text;
  const byWord = mode === "tag" || mode === "semantic" || mode === "color";
  if (!byWord && hit.score >= 0.999) return CLOSENESS.same;
  if (hit.probability !== null && hit.probability !== undefined) {
    // As it is shown, so that the same number is always called the same.
    return step(Math.round(hit.probability * 100) / 100, CLOSENESS.probability);
  }
  if (mode === "color") return CLOSENESS.share(percent(hit.score));
  if (metric === "l2") return CLOSENESS.distance(hit.distance.toPrecision(3));
  if (mode === "semantic") return step(hit.score, CLOSENESS.meaning);
  return step(hit.score, mode === "tag" ? CLOSENESS.tag : CLOSENESS.look);
}

/** Names as a list in a sentence. */
export function listed(names) {
  const [last, ...others] = [...names].reverse();
  return others.length ? PARTS.and(others.reverse().join(", "), last) : last;
}

/** Which tags are shown in place of the words that were typed. */
export function showing(corrected) {
  return ANSWER.showing(listed(corrected.map((one) => one.searched_as)));
}

function colorName(name) {
  return name === "monochrome" ? ANSWER.monochrome : name;
}

/** How the answer came about, as a sentence. */
export function modeSentence({ mode, colors = [] }, query) {
  if (colors.length && mode !== "color") return ANSWER.byColorToo(listed(colors.map(colorName)));
  switch (mode) {
    case "color":
      return ANSWER.byColor(listed(colors.map(colorName)));
    case "tag":
      return ANSWER.byTag;
    case "semantic":
      return query.parts.length === 1 ? ANSWER.byMeaning(query.parts[0].value) : ANSWER.byMeanings;
    case "text":
      return ANSWER.byText;
    case "mixed":
      return query.parts.length === 1 ? ANSWER.byTextAndMeaning : ANSWER.mixed;
    default:
      return ANSWER.byLook;
  }
}

/** What was looked at to find the hits. */
export function scanned(answer) {
  const { nprobe, clusters, scanned_fraction: share } = answer.recall;
  if (answer.mode === "tag") return ANSWER.everyTagged;
  if (answer.mode === "text") return ANSWER.everyText;
  if (answer.mode === "color") return ANSWER.everyColor;
  if (share >= 1 || !clusters) return ANSWER.every;
  return ANSWER.looked(percent(share), nprobe, clusters);
}

export function recall({ expected }) {
  if (expected === null || expected === undefined) return ANSWER.notMeasured;
  return expected >= 1 ? ANSWER.exact : ANSWER.recall(percent(expected));
}

/** The stages of an answer, in the order that the server gives. */
export function stages({ total: _, ...timings }) {
  return Object.entries(timings).map(([name, value]) => ({
    name: name.replace(/_ms$/, "").replaceAll("_", " "),
    value,
  }));
}

export function total(timings) {
  return timings.total ?? stages(timings).reduce((sum, { value }) => sum + value, 0);
}

function step(value, steps) {
  return steps.find(([least]) => value >= least)[1];
}
