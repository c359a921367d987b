/** Completion of tags: an ARIA combobox with a list. */

import { el } from "./dom.js";
import { count } from "./messages.js";
import { matchIn } from "./tag_text.js";

const LIMIT = 8;
const PAUSE_MS = 120;

export class Completion {
  #tags = [];
  #active = -1;
  #timer = 0;
  #asked = new AbortController();

  /** `onChosen(tag)` is called when a tag is taken from the list. */
  constructor(input, list, api, onChosen) {
    this.input = input;
    this.list = list;
    this.api = api;
    this.onChosen = onChosen;
    input.addEventListener("input", () => this.#later());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.close());
    // The field must not lose the focus before the click arrives.
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.#choose(Number(option.dataset.index));
    });
  }

  close() {
    clearTimeout(this.#timer);
    this.#asked.abort();
    this.#tags = [];
    this.#active = -1;
    this.#draw("");
  }

  #later() {
    clearTimeout(this.#timer);
    if (this.input.value.trim() === "") return this.close();
    this.#timer = setTimeout(() => this.#ask(), PAUSE_MS);
  }

  async #ask() {
    this.#asked.abort();
    this.#asked = new AbortController();
    const typed = this.input.value.replace(/^([-\u2212]|\\(?=[-\u2212]))/, "").trim();
    try {
      const { tags } = await this.api.tags(typed, LIMIT, this.#asked.signal);
      this.#tags = tags;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#tags = []; // The word can be searched without completion.
    }
    if (document.activeElement !== this.input) return;
    this.#active = -1;
    this.#draw(typed);
  }

  #key(event) {
    const open = this.#tags.length > 0;
    if (event.key === "ArrowDown" && !open) this.#ask();
    else if (event.key === "ArrowDown") this.#move(1);
    else if (event.key === "ArrowUp" && open) this.#move(-1);
    else if (event.key === "Enter" && this.#active >= 0) this.#choose(this.#active);
    else if (event.key === "Escape" && open) this.close();
    else return;
    event.preventDefault();
  }

  /** One step, through the field itself (-1) and round. */
  #move(by) {
    const places = this.#tags.length + 1;
    this.#active = ((this.#active + 1 + by + places) % places) - 1;
    this.#mark();
  }

  #choose(index) {
    const { tag } = this.#tags[index];
    this.close();
    this.onChosen(tag);
  }

  #draw(typed) {
    const options = this.#tags.map(({ tag, count: images }, index) => {
      const [start, end] = matchIn(tag, typed);
      return el(
        "li",
        {
          role: "option",
          id: `completion-${index}`,
          "data-index": index,
          "aria-label": `${tag}, ${count(images, "image")}`,
        },
        el("span", {}, tag.slice(0, start), el("b", {}, tag.slice(start, end)), tag.slice(end)),
        el("span", { class: "count" }, images.toLocaleString("en")),
      );
    });
    this.list.replaceChildren(...options);
    this.list.hidden = options.length === 0;
    this.input.setAttribute("aria-expanded", String(options.length > 0));
    this.#mark();
  }

  #mark() {
    for (const [index, option] of [...this.list.children].entries()) {
      option.setAttribute("aria-selected", String(index === this.#active));
      if (index === this.#active) option.scrollIntoView({ block: "nearest" });
    }
    if (this.#active >= 0)
      this.input.setAttribute("aria-activedescendant", `completion-${this.#active}`);
    else this.input.removeAttribute("aria-activedescendant");
  }
}
