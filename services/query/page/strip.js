/** The neighbours of an image as a strip of small pictures. */

import { el } from "./dom.js";
import { LARGE } from "./messages.js";
import { thumbnail } from "./thumbnail.js";
import { closeness, nameOf } from "./words.js";

const NEIGHBOURS = 14;

/** `onChosen(image)` is called with the neighbour that was pressed. */
export function strip(api, hit, signal, onChosen) {
  const list = el("ul", { class: "strip-pictures" });
  const box = el("section", { class: "strip" }, el("h3", {}, LARGE.neighbours), list);
  load();
  return box;

  async function load() {
    try {
      const { hits, ...answer } = await api.similar(hit.id, NEIGHBOURS, signal);
      box.hidden = hits.length === 0;
      list.replaceChildren(
        ...hits.map((other) =>
          el(
            "li",
            {},
            el(
              "button",
              {
                type: "button",
                click: () => onChosen(other),
                "aria-label": `${nameOf(other)}, ${closeness(other, answer.metric, answer.mode)}`,
              },
              thumbnail(api, other.id, ""),
            ),
          ),
        ),
      );
    } catch (error) {
      if (error.name !== "AbortError") box.hidden = true;
    }
  }
}
