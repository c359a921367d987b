/** Completion of tags, and of places where they are wanted: an ARIA combobox with a list. */

import { el, icon } from "./dom.js";
import { count } from "./messages.js";
import { PLACES } from "./messages_search.js";
import { matchIn } from "./tag_text.js";

const LIMIT = 8;
const PLACES_LIMIT = 3;
const PAUSE_MS = 120;

export class Completion {
  /** What is offered: {tag, count}, or {place}. */
  #offered = [];
  #active = -1;
  #timer = 0;
  #asked = new AbortController();

  /** `onChosen(tag)` is called when a tag is taken from the list, `onPlace(place)`, if given, for a place. */
  constructor(input, list, api, onChosen, onPlace = null) {
    this.input = input;
    this.list = list;
    this.api = api;
    this.onChosen = onChosen;
    this.onPlace = onPlace;
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
    this.#offered = [];
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
    const { signal } = this.#asked;
    const [tags, places] = await Promise.all([
      this.#found(() => this.api.tags(typed, LIMIT, signal), "tags"),
      this.onPlace && typed ? this.#found(() => this.api.places(typed, PLACES_LIMIT, signal), "places") : [],
    ]);
    if (signal.aborted) return;
    this.#offered = [...tags.slice(0, LIMIT - places.length), ...places.map((place) => ({ place }))];
    if (document.activeElement !== this.input) return;
    this.#active = -1;
    this.#draw(typed);
  }

  /** The word can be searched without completion. */
  async #found(ask, name) {
    try {
      return (await ask())[name];
    } catch {
      return [];
    }
  }

  #key(event) {
    const open = this.#offered.length > 0;
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
    const stops = this.#offered.length + 1;
    this.#active = ((this.#active + 1 + by + stops) % stops) - 1;
    this.#mark();
  }

  #choose(index) {
    const { tag, place } = this.#offered[index];
    this.close();
    if (place) this.onPlace(place);
    else this.onChosen(tag);
  }

  #draw(typed) {
    const options = this.#offered.map(({ tag, place, count: images }, index) => {
      const text = place ? place.name : tag;
      const [start, end] = matchIn(text, typed);
      return el(
        "li",
        {
          role: "option",
          id: `completion-${index}`,
          "data-index": index,
          "aria-label": place ? PLACES.option(place) : `${tag}, ${count(images, "image")}`,
        },
        el("span", {}, text.slice(0, start), el("b", {}, text.slice(start, end)), text.slice(end)),
        place && el("span", { class: "of-place" }, icon("map"), PLACES.place),
        el("span", { class: "count" }, (place ? place.count : images).toLocaleString("en")),
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
