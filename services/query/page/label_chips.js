/** Labels that the model sees in an image: suggestions, each accepted as a tag by one click. */

import { el } from "./dom.js";
import { humane } from "./errors.js";
import { TAGGING } from "./messages.js";
import { normalForm } from "./tag_text.js";
import { percent } from "./words.js";

/** `onAccepted(tags)` is called with the saved tags. Gives null where nothing is to be suggested. */
export function labelChips(api, hit, onAccepted) {
  const carried = ({ name }) => hit.tags.some((tag) => normalForm(tag) === normalForm(name));
  const labels = (hit.labels ?? []).filter((label) => !carried(label));
  if (!labels.length) return null;
  const told = el("p", { class: "error", role: "alert", hidden: true });
  const list = el("ul", { class: "tags", "aria-label": TAGGING.labels });

  async function accept(label, item) {
    list.inert = true;
    told.hidden = true;
    try {
      const { tags } = await api.retag(hit.id, [...hit.tags, label.name]);
      item.remove();
      onAccepted(tags);
      if (!list.children.length) section.remove();
    } catch (error) {
      told.textContent = `${TAGGING.labelNotSaved} ${humane(error).sentence}`;
      told.hidden = false;
    } finally {
      list.inert = false;
    }
  }

  for (const label of labels) {
    const item = el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-label": TAGGING.acceptLabel(label.name, percent(label.probability)),
          click: () => accept(label, item),
        },
        `+ ${label.name} `,
        el("span", { class: "count" }, percent(label.probability)),
      ),
    );
    list.append(item);
  }
  const section = el("section", { class: "labels" }, el("h3", {}, TAGGING.mayShow), list, told);
  return section;
}
