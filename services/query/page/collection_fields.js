/** Parts of forms: a labelled field, and a form that says what became of it. */

import { told } from "./browse_states.js";
import { el, fill } from "./dom.js";

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

/** A form whose `send()` starts a job; a refusal is shown where its button is. */
export function jobForm(action, send, ...content) {
  const wrong = el("div", { class: "job-error form-error", role: "alert", hidden: true });
  const button = el("button", { type: "submit", class: "submit" }, action);
  const form = el("form", { class: "fields" }, ...content, el("div", { class: "buttons" }, button), wrong);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    wrong.hidden = true;
    button.disabled = true;
    try {
      await send();
    } catch (error) {
      fill(wrong, ...told(error));
      wrong.hidden = false;
    }
    button.disabled = false;
  });
  return form;
}
