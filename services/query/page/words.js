/** Numbers and terms of the API in plain words. */

const WHOLE = new Intl.NumberFormat("en");

export function count(number, one, many = `${one}s`) {
  return `${WHOLE.format(number)} ${number === 1 ? one : many}`;
}

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
  const byWord = mode === "tag" || mode === "semantic";
  if (!byWord && hit.score >= 0.999) return "Nearly identical";
  if (hit.probability !== null && hit.probability !== undefined) {
    // As it is shown, so that the same number is always called the same.
    return step(Math.round(hit.probability * 100) / 100, [
      [0.9, "Almost certain"],
      [0.7, "Very likely"],
      [0.4, "Likely"],
      [0.15, "Possible"],
      [-Infinity, "Unlikely"],
    ]);
  }
  if (metric === "l2") return `Distance ${hit.distance.toPrecision(3)}`;
  if (mode === "semantic") {
    return step(hit.score, [
      [0.7, "Near in meaning"],
      [0.45, "Rather near in meaning"],
      [0.2, "Perhaps related"],
      [-Infinity, "Hardly related"],
    ]);
  }
  if (mode === "tag") {
    return step(hit.score, [
      [0.7, "Strong match"],
      [0.45, "Good match"],
      [0.2, "Fair match"],
      [-Infinity, "Weak match"],
    ]);
  }
  return step(hit.score, [
    [0.9, "Very similar"],
    [0.75, "Similar"],
    [0.5, "Somewhat similar"],
    [-Infinity, "Loosely similar"],
  ]);
}

/** Names as a list in a sentence. */
export function listed(names) {
  const [last, ...others] = [...names].reverse();
  return others.length ? `${others.reverse().join(", ")} and ${last}` : last;
}

/** Which tags are shown in place of the words that were typed. */
export function showing(corrected) {
  return `Showing ${listed(corrected.map((one) => one.searched_as))}`;
}

/** How the answer came about, as a sentence. */
export function modeSentence(mode, query) {
  switch (mode) {
    case "tag":
      return "The images that carry this tag, the most typical first.";
    case "semantic":
      return query.parts.length === 1
        ? `No image is tagged “${query.parts[0].value}”. These come nearest to what the word means.`
        : "These come nearest to what the words mean together.";
    case "mixed":
      return "Pictures and words weighed together, the nearest first.";
    default:
      return "Compared by what the pictures show, the most similar first.";
  }
}

/** What was looked at to find the hits. */
export function scanned(answer) {
  const { nprobe, clusters, scanned_fraction: share } = answer.recall;
  if (answer.mode === "tag") return "Looked at every image with this tag";
  if (share >= 1 || !clusters) return "Looked at every image";
  return `Looked at ${percent(share)} of the images, ${WHOLE.format(nprobe)} of ${count(clusters, "cluster")}`;
}

export function recall({ expected }) {
  if (expected === null || expected === undefined) return "expected recall not measured";
  return expected >= 1 ? "exact" : `expected recall ${percent(expected)}`;
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
