/**
 * "How right are searches?": a screen of hits, each taken as what is likelier. A click names one that
 * is not so, and one more keeps the screen, so few clicks are many answers (docs/RANKING.md).
 */

import { failedState, statement, told, waitingState } from "./browse_states.js";
import { cover } from "./cover.js";
import { el, fill } from "./dom.js";
import { JUDGING } from "./messages_judging.js";
import { percent } from "./words.js";

/** Hits of a screen, as `ise judge` shows them. */
const SCREEN = 24;

export class JudgeView {
  #running = new AbortController();
  /** What is shown: {question, right, skipped, element}. */
  #rows = [];

  constructor(board, { browse, thumbnails }) {
    this.board = board;
    this.browse = browse;
    this.thumbnails = thumbnails;
  }

  show(search) {
    this.search = search;
    fill(this.board, waitingState());
    return this.#load();
  }

  hide() {
    this.#running.abort();
    this.search = null;
    this.#rows = [];
  }

  /** What was said on this screen stays; deleted pictures leave it. */
  removed(ids) {
    for (const { element } of this.#rows.filter(({ question }) => isOf(question, ids))) element.remove();
    this.#rows = this.#rows.filter(({ question }) => !isOf(question, ids));
  }

  async #load() {
    this.#running.abort();
    const { signal } = (this.#running = new AbortController());
    try {
      const { questions } = await this.browse.questions(SCREEN, signal);
      const measured = await this.browse.measured(signal);
      if (!signal.aborted) this.#draw(questions, measured);
    } catch (error) {
      if (error.name !== "AbortError") fill(this.board, failedState(error, () => this.show(this.search)));
    }
  }

  #draw(questions, measured) {
    // Those that are taken as right come first, so that the others stand together.
    const listed = [...questions].sort((a, b) => b.draw.predicted - a.draw.predicted);
    this.#rows = listed.map((question, at) => this.#row(question, at + 1));
    const figure = el("p", { class: "view-words figure" }, measuredWords(measured));
    if (!listed.length) return fill(this.board, statement(measured.judged ? JUDGING.done : JUDGING.empty), figure);
    this.state = el("div", { role: "status" });
    this.keep = el("button", { type: "button", class: "submit", click: () => this.#keep() }, JUDGING.keep);
    fill(
      this.board,
      el("h1", {}, JUDGING.title),
      figure,
      el("p", { class: "view-words" }, JUDGING.words),
      el("ol", { class: "judging", "aria-label": JUDGING.title }, ...this.#rows.map(({ element }) => element)),
      el("div", { class: "foot" }, this.state, this.keep),
    );
  }

  #row(question, number) {
    const row = { question, right: question.draw.predicted >= 0.5, skipped: false };
    const word = el("span", { class: "word" });
    const verdict = el("button", { type: "button", class: "pair", click: () => say({ right: !row.right, skipped: false }) },
      this.#picture(question.search.id, JUDGING.searched(number)), this.#picture(question.id, JUDGING.found(number)), word);
    const skip = el("button", { type: "button", class: "quiet small", "aria-label": JUDGING.skipOf(number), click: () => say({ skipped: !row.skipped }) }, JUDGING.skip);
    function say(change) {
      Object.assign(row, change);
      row.element.dataset.said = row.skipped ? "skipped" : row.right ? "right" : "wrong";
      word.textContent = JUDGING.said[row.element.dataset.said];
      verdict.setAttribute("aria-pressed", String(row.right));
      skip.setAttribute("aria-pressed", String(row.skipped));
    }
    row.element = el("li", {}, verdict, skip);
    say({});
    return row;
  }

  #picture(id, words) {
    const img = el("img", { alt: words, decoding: "async" });
    cover(img, this.thumbnails, async () => id);
    return el("span", { class: "cover" }, img);
  }

  /** Keeps what the screen says, and shows the next one. What isn't kept yet stays on it. */
  async #keep() {
    this.keep.disabled = true;
    fill(this.state);
    const search = this.search;
    try {
      for (const row of this.#rows.filter(({ skipped }) => !skipped)) {
        await this.browse.judge({ ...row.question, right: row.right });
        row.element.remove();
        this.#rows = this.#rows.filter((one) => one !== row);
      }
    } catch (error) {
      if (search !== this.search) return;
      fill(this.state, ...told(error));
      this.keep.disabled = false;
      return;
    }
    if (search !== this.search) return;
    await this.show(search);
    this.board.querySelector(".pair")?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
}

/** The share of right hits with its interval, or how many answers it still takes. */
export function measuredWords({ precision_at_10: precision, low, high, judged }) {
  return precision == null ? JUDGING.few(judged) : JUDGING.measured(percent(precision), percent(low), percent(high), judged);
}

function isOf({ search, id }, ids) {
  return ids.has(id) || ids.has(search.id);
}
