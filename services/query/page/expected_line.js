/** How many images match, as a sentence, and where among the hits they end. */

import { el } from "./dom.js";
import { EXPECTED } from "./messages_search.js";

/** Below this probability that anything matches, and where it may be none, the page says so. */
const ABSENT = 0.5;

/** "About 37 match, 34 to 41", or that nothing does; why not, with a colour; else null. */
export function expectedSentence({ expected, present, colors }) {
  if (!expected) return colors?.length ? EXPECTED.untold : null;
  if (present != null && present < ABSENT && expected.low === 0) return EXPECTED.absent;
  const { matches, low, high } = expected;
  if (low === high) return EXPECTED.exactly(matches);
  return EXPECTED.about(matches, low, high);
}

/** The same as a paragraph, with what a list promises. */
export function expectedLine(answer) {
  const sentence = expectedSentence(answer);
  const promise = answer.guarantee && EXPECTED.promise(answer.guarantee);
  const told = [sentence, promise].filter(Boolean).join(" ");
  return told ? el("p", { class: "mode expected" }, told) : null;
}

/** Says of a hit's tile that it is merely near, and of the first such one that matches end before it. */
export function markExpected(tile, hit, { shown, answer: { expected } }) {
  if (!expected) return tile;
  const isBeyond = ({ rank }) => rank >= expected.matches;
  tile.classList.toggle("beyond", isBeyond(hit));
  const before = shown[shown.indexOf(hit) - 1];
  if (isBeyond(hit) && before && !isBeyond(before)) tile.prepend(el("p", { class: "ends" }, EXPECTED.ends));
  return tile;
}
