/** From one day to another: fields of the browser, which have calendars of their own. */

import { el } from "./dom.js";
import { FILTERS } from "./messages_search.js";
import { boundsOf, withBounds } from "./query.js";

const TAKEN = "file.taken_at";

/** `first` and `last`: the days between which there are pictures. `onChange(query)`. */
export function dateRange(query, { first, last }, onChange) {
  const bounds = boundsOf(query, TAKEN);
  // Where a range is set, these are of what it left; another one may be wider.
  const [min, max] = bounds.key ? [null, null] : [first, last];
  const day = (name, words, value) =>
    el(
      "label",
      { class: "day-field" },
      el("span", {}, words),
      el("input", { type: "date", name, value: String(value ?? "").slice(0, 10), min, max, "data-name": `date ${name}` }),
    );
  const form = el(
    "form",
    {
      class: "range dates",
      novalidate: true,
      submit: (event) => {
        event.preventDefault();
        const [from, to] = ["gte", "lte"].map((name) => form.elements[name].value);
        // The other way round is meant as well.
        const [gte, lte] = from && to && from > to ? [to, from] : [from, to];
        const condition = { key: TAKEN, ...(gte && { gte }), ...(lte && { lte }) };
        onChange(withBounds(query, TAKEN, gte || lte ? condition : null));
      },
    },
    day("gte", FILTERS.fromDay, bounds.gte),
    day("lte", FILTERS.toDay, bounds.lte),
    el("button", { type: "submit", class: "action", "data-name": "dates" }, FILTERS.apply),
  );
  return form;
}
