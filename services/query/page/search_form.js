/** The search bar: a word with completion, and the switch to exact. */

import { Completion } from "./completion.js";
import { byId } from "./dom.js";
import { SEARCH } from "./messages_search.js";

const MINUS = /^[-\u2212]\s*/;
/** Says that the minus after it is the word's own. */
const ESCAPE = /^\\(?=[-\u2212])/;

export class SearchForm {
  #shown = null;

  /** `onTerm(term, weight)`, `onPlace(place)`; `onLast()`: backspace before the first letter. */
  constructor(form, api, { onTerm, onPlace, onExact, onLast }) {
    this.input = form.querySelector("#term");
    this.switch = byId("exact");
    const take = (term, weight) => {
      this.completion.close();
      this.input.value = "";
      if (term) onTerm(term, weight);
    };
    const sign = () => (MINUS.test(this.input.value) ? -1 : 1);
    this.completion = new Completion(this.input, form.querySelector("#completions"), api, (tag) => take(tag, sign()), (place) => {
      take("");
      onPlace(place);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = this.input.value.trim();
      if (typed) take(typed.replace(MINUS, "").replace(ESCAPE, ""), sign());
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
    // What is not as usual shall be seen.
    if (search.query.exact) this.switch.closest("details").open = true;
    this.input.placeholder = search.query.parts.length ? SEARCH.more : SEARCH.first;
  }
}
