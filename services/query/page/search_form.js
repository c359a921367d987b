/** The search bar: a word with completion, and the switch to exact. */

import { Completion } from "./completion.js";

const MINUS = /^[-\u2212]\s*/;

export class SearchForm {
  #shown = null;

  /** `onTerm(term, weight)`; `onLast()`: backspace before the first letter. */
  constructor(form, api, { onTerm, onExact, onLast }) {
    this.input = form.querySelector("#term");
    this.switch = form.querySelector("#exact");
    const take = (text) => {
      const term = text.replace(MINUS, "").trim();
      this.completion.close();
      this.input.value = "";
      if (term) onTerm(term, MINUS.test(text) ? -1 : 1);
    };
    this.completion = new Completion(this.input, form.querySelector("#completions"), api, (tag) =>
      take(MINUS.test(this.input.value) ? `-${tag}` : tag),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.input.value.trim()) take(this.input.value.trim());
      else this.input.focus();
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Backspace" && this.input.value === "") onLast();
    });
    this.switch.addEventListener("change", () => onExact(this.switch.checked));
  }

  /** Follows the shown search, but only when it is another one: typing goes on undisturbed. */
  render(search) {
    if (search === this.#shown) return;
    this.#shown = search;
    this.completion.close();
    this.switch.checked = search.query.exact;
    this.input.placeholder = search.query.parts.length ? "Add a word" : "A word, or a picture";
  }
}
