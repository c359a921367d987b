/** Changes an image's tags: take one out, type a new one, or take up a suggestion. */

import { Completion } from "./completion.js";
import { el, icon } from "./dom.js";
import { humane } from "./errors.js";
import { SELECTION, TAGGING } from "./messages.js";
import { normalForm } from "./tag_text.js";
import { percent } from "./words.js";

const SUGGESTED = 5;

/** `onDone(tags, undo)` is called with the saved tags and the way back, or with null when nothing was changed. */
export function tagEditor(api, hit, onDone) {
  let tags = [...hit.tags];
  const list = el("ul", { class: "tags", "aria-label": TAGGING.tags });
  const suggested = el("div", { class: "suggested", hidden: true });
  const told = el("p", { class: "error", role: "alert", hidden: true });
  const input = el("input", {
    type: "text",
    maxlength: 200,
    placeholder: TAGGING.another,
    "aria-label": TAGGING.another,
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": "tag-completions",
    autocapitalize: "none",
  });
  const completions = el("ul", {
    class: "completions",
    id: "tag-completions",
    role: "listbox",
    "aria-label": TAGGING.known,
    hidden: true,
  });

  const has = (tag) => tags.some((one) => normalForm(one) === normalForm(tag));
  const add = (text) => {
    const tag = text.trim();
    if (tag && !has(tag)) tags = [...tags, tag];
    input.value = "";
    completion.close(); // Nothing is being typed any more.
    draw();
  };
  const remove = (tag) => {
    tags = tags.filter((one) => one !== tag);
    draw();
    input.focus();
  };

  function draw() {
    list.replaceChildren(
      ...tags.map((tag) =>
        el(
          "li",
          { class: "chip" },
          tag,
          el(
            "button",
            { type: "button", class: "remove", "aria-label": TAGGING.remove(tag), click: () => remove(tag) },
            icon("close"),
          ),
        ),
      ),
    );
    for (const button of suggested.querySelectorAll("button")) button.hidden = has(button.dataset.tag);
  }

  async function suggest() {
    try {
      const found = await api.suggestTags(hit.id, SUGGESTED);
      const buttons = found.tags.map(({ tag, probability }) =>
        el(
          "button",
          { type: "button", class: "chip", "data-tag": tag, click: () => add(tag) },
          `+ ${tag} `,
          el("span", { class: "count" }, percent(probability)),
        ),
      );
      suggested.replaceChildren(TAGGING.mayFit, ...buttons);
      suggested.hidden = buttons.every((button) => has(button.dataset.tag));
      draw();
    } catch {
      // Tags can be typed without suggestions.
    }
  }

  async function save() {
    if (input.value.trim()) add(input.value);
    if (tags.join("\n") === hit.tags.join("\n")) return onDone(null);
    form.inert = true;
    try {
      const saved = await api.retag(hit.id, tags);
      onDone(saved.tags, saved.undo);
    } catch (error) {
      form.inert = false;
      told.textContent = `${TAGGING.notSaved} ${humane(error).sentence}`;
      told.hidden = false;
    }
  }

  const form = el(
    "form",
    {
      class: "tag-editor",
      submit: (event) => {
        event.preventDefault();
        if (input.value.trim()) add(input.value);
        else save();
      },
      keydown: (event) => {
        if (event.key !== "Escape" || event.defaultPrevented) return;
        event.preventDefault();
        onDone(null);
      },
    },
    list,
    el("div", { class: "tag-field" }, input, completions),
    suggested,
    told,
    el(
      "div",
      { class: "actions" },
      el("button", { type: "button", class: "action filled", click: save }, TAGGING.save),
      el("button", { type: "button", class: "action", click: () => onDone(null) }, SELECTION.cancel),
    ),
  );
  const completion = new Completion(input, completions, api, add);
  draw();
  suggest();
  return form;
}
