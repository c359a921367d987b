/** The search bar: a word with completion, and the switch to exact. */

import { Completion } from "./completion.js";

export class SearchForm {
  #shown = null;

  constructor(form, api, { onTerm, onExact }) {
    this.input = form.querySelector("#term");
    this.switch = form.querySelector("#exact");
    this.completion = new Completion(this.input, form.querySelector("#completions"), api, (tag) => {
      this.input.value = tag;
      onTerm(tag);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const term = this.input.value.trim();
      this.completion.close();
      if (term) onTerm(term);
      else this.input.focus();
    });
    this.switch.addEventListener("change", () => onExact());
  }

  get exact() {
    return this.switch.checked;
  }

  /** Follows the shown search, but only when it is another one: typing goes on undisturbed. */
  render(search) {
    if (search === this.#shown) return;
    this.#shown = search;
    this.completion.close();
    this.input.value = search.query.kind === "term" ? search.query.term : "";
    this.switch.checked = search.exact;
  }
}
