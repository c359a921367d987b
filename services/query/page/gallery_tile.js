/** One picture of the gallery: a link to it, large, and a check mark. */

import { hrefOf } from "./address.js";
import { el, icon } from "./dom.js";
import { dayName, wallDay } from "./dates.js";
import { GALLERY } from "./messages.js";
import { playMark } from "./video.js";
import { nameOf } from "./words.js";

export const FAVOURITE = "favourite";

export function isFavourite({ tags }) {
  return tags.some((tag) => tag.toLowerCase() === FAVOURITE);
}

/** `number` and `of`: its place among all, for screen readers. */
export function galleryTile(image, query, { number, of }) {
  const name = nameOf(image);
  const day = wallDay(image.file?.taken_at);
  const img = el("img", { alt: "", decoding: "async", draggable: "false" });
  return el(
    "li",
    { class: "tile", "data-id": image.id, "aria-posinset": number, "aria-setsize": of },
    el(
      "a",
      {
        class: "tile-link",
        href: hrefOf(query, image.id),
        "data-open": image.id,
        "aria-label": GALLERY.open(name, day && dayName(day)),
        tabindex: -1,
        draggable: "false",
      },
      img,
      el("span", { class: "missing" }, icon("missing"), GALLERY.noPreview),
    ),
    playMark(image),
    checkMark(image.id, name),
    isFavourite(image) && el("span", { class: "heart", "aria-hidden": "true" }, icon("heart")),
  );
}

/** Reached by the pointer; the keyboard selects by `x`. */
export function checkMark(id, name) {
  return el(
    "button",
    {
      type: "button",
      class: "check-mark",
      tabindex: -1,
      "data-select": id,
      "aria-pressed": "false",
      "aria-label": GALLERY.select(name),
    },
    icon("check"),
  );
}
