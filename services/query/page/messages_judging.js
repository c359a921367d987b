/** The words of judging hits by screens. */

import { count } from "./messages.js";

const LEAST = 20;

export const JUDGING = {
  link: "How right are searches?",
  title: "How right are searches?",
  words:
    "On the left what was searched by, on the right one of its first hits. Click a pair that is not as it says; " +
    "then keep them all. Your word is never a tag.",
  searched: (number) => `Pair ${number}: searched by`,
  found: (number) => `Pair ${number}: found`,
  said: { right: "Right", wrong: "Wrong", skipped: "Skipped" },
  skip: "Skip",
  skipOf: (number) => `Skip pair ${number}`,
  keep: "Keep and go on",
  few: (judged) => (judged ? `${count(judged, "answer")} so far; ${LEAST} tell how right searches are.` : `${LEAST} answers tell how right searches are.`),
  measured: (share, low, high, judged) => `Of the first ten hits, ${share} are right (${low} to ${high}, by ${count(judged, "answer")}).`,
  done: ["All judged", "A new index brings new questions."],
  empty: ["Nothing to judge", "A collection needs some dozens of pictures to be asked about."],
};
