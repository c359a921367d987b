/** Labels that the model sees in an image: suggestions, each accepted as a tag by one click. */

import { el } from "./dom.js";
import { normalForm } from "./tag_text.js";
import { percent } from "./words.js";

/** `onAccepted(tags)` is called with the saved tags. Gives null where nothing is to be suggested. */
export function labelChips(api, hit, onAccepted) {
  const carried = ({ name }) => hit.tags.some((tag) => normalForm(tag) === normalForm(name));
  const labels = (hit.labels ?? []).filter((label) => !carried(label));
  if (!labels.length) return null;
  const told = el("p", { class: "error", role: "alert", hidden: true });
  const list = el("ul", { class: "tags", "aria-label": "Labels that may fit" });

  async function accept(label, item) {
    list.inert = true;
    told.hidden = true;
    try {
      const { tags } = await api.retag(hit.id, [...hit.tags, label.name]);
      item.remove();
      onAccepted(tags);
      if (!list.children.length) section.remove();
    } catch (error) {
      told.textContent = `The tag was not saved. ${error.message}`;
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
          "aria-label": `Add the tag ${label.name}, ${percent(label.probability)} likely`,
          click: () => accept(label, item),
        },
        `+ ${label.name} `,
        el("span", { class: "count" }, percent(label.probability)),
      ),
    );
    list.append(item);
  }
  const section = el("section", { class: "labels" }, el("h3", {}, "May show"), list, told);
  return section;
}
