/** "Is this right?" of one hit. What is said is kept by the collection, and is no tag. */

import { el } from "./dom.js";
import { JUDGE } from "./messages_search.js";
import { onlyPart } from "./query.js";

/** The question; null where the search is by several parts or by a picture from outside. */
export function judgeQuestion(api, query, hit) {
  const only = onlyPart(query);
  if (hit.score === undefined || !only || !["term", "image"].includes(only.kind)) return null;
  if (only.kind === "image" && only.value === hit.id) return null;
  const search = only.kind === "term" ? { term: only.value } : { id: only.value };
  const state = el("span", { role: "status" });
  const buttons = [
    [true, JUDGE.yes],
    [false, JUDGE.no],
  ].map(([right, words]) =>
    el("button", { class: "quiet", type: "button", "aria-pressed": "false", click: (event) => say(right, event.currentTarget) }, words),
  );
  async function say(right, button) {
    // The same button again takes the word back.
    const taken = button.getAttribute("aria-pressed") === "true";
    try {
      await api.call("v1/judgements", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ search, id: hit.id, right: taken ? null : right }),
      });
    } catch (error) {
      state.textContent = error.message;
      return;
    }
    for (const one of buttons) one.setAttribute("aria-pressed", String(one === button && !taken));
    state.textContent = taken ? "" : JUDGE.kept;
  }
  return el("p", { class: "judge" }, JUDGE.question, ...buttons, state);
}
