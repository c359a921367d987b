/** Parts of forms: a labelled field, and a form that says what became of it. */

import { sentenceOf } from "./collection_words.js";
import { el } from "./dom.js";

export function field(label, control, note = null) {
  return el(
    "div",
    { class: "field" },
    el("label", { for: control.id }, label),
    control,
    note && el("small", {}, note),
  );
}

export function select(id, options) {
  return el(
    "select",
    { id },
    ...options.map(([value, words]) => el("option", { value }, words)),
  );
}

/** A form whose `send()` starts a job; a refusal is shown as the server words it. */
export function jobForm(action, send, ...content) {
  const told = el("p", { class: "job-error", role: "alert", hidden: true });
  const button = el("button", { type: "submit", class: "submit" }, action);
  const form = el("form", { class: "fields" }, ...content, told, el("div", { class: "buttons" }, button));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    told.hidden = true;
    button.disabled = true;
    try {
      await send();
    } catch (error) {
      told.textContent = sentenceOf(error);
      told.hidden = false;
    }
    button.disabled = false;
  });
  return form;
}
