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

/**
 * `number` and `of`: its place among all, for screen readers. `spare`: the element of a picture that
 * has left, which becomes this one's: new ones for all that flies past would fill the memory.
 */
export function galleryTile(image, query, { number, of }, spare = null) {
  const tile = spare ?? blank();
  const [link, check] = tile.children;
  const name = nameOf(image);
  const day = wallDay(image.file?.taken_at);
  tile.className = "tile";
  set(tile, { "data-id": image.id, "aria-posinset": number, "aria-setsize": of });
  set(link, {
    href: hrefOf(query, image.id),
    "data-open": image.id,
    "aria-label": GALLERY.open(name, day && dayName(day)),
    tabindex: -1,
  });
  set(check, { "data-select": image.id, "aria-pressed": "false", "aria-label": GALLERY.select(name) });
  const [img] = link.children;
  img.className = "";
  delete img.dataset.tried;
  for (const mark of tile.querySelectorAll(".heart, .play-mark")) mark.remove();
  const play = playMark(image);
  if (play) link.after(play);
  if (isFavourite(image)) tile.append(el("span", { class: "heart", "aria-hidden": "true" }, icon("heart")));
  return tile;
}

function blank() {
  return el(
    "li",
    {},
    el(
      "a",
      { class: "tile-link", draggable: "false" },
      el("img", { alt: "", decoding: "async", draggable: "false" }),
      el("span", { class: "missing" }, icon("missing"), GALLERY.noPreview),
    ),
    checkMark("", ""),
  );
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
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
