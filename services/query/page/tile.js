/** One hit in the grid: its picture, and how close it is. It leads to the hit, large. */

import { hrefOf } from "./address.js";
import { el, icon } from "./dom.js";
import { checkMark, isFavourite } from "./gallery_tile.js";
import { GALLERY } from "./messages.js";
import { CLOSENESS } from "./messages_search.js";
import { thumbnail } from "./thumbnail.js";
import { playMark } from "./video.js";
import { closeness, nameOf, percent } from "./words.js";

export function tileOf(hit, search, api) {
  const name = nameOf(hit);
  const close = closeness(hit, search.answer.metric, search.answer.mode);
  const chance = hit.probability == null ? null : percent(hit.probability);
  const copies = hit.duplicates?.length ?? 0;
  const told = [name, close, chance, copies && CLOSENESS.copies(copies)];
  return el(
    "li",
    { class: "hit", "data-id": hit.id },
    el(
      "a",
      {
        class: "picture",
        href: hrefOf(search.query, hit.id),
        "data-open": hit.id,
        "aria-label": told.filter(Boolean).join(", "),
      },
      thumbnail(api, hit.id, ""),
      el("span", { class: "missing" }, icon("missing"), GALLERY.noPreview),
      copies > 0 &&
        el("span", { class: "copies", "aria-hidden": "true" }, icon("copies"), `${copies + 1}`),
    ),
    playMark(hit),
    checkMark(hit.id, name),
    isFavourite(hit) && el("span", { class: "heart", "aria-hidden": "true" }, icon("heart")),
    el(
      "div",
      { class: "caption" },
      el(
        "p",
        { class: "score" },
        el(
          "span",
          { class: "words" },
          el("span", { class: "close" }, close),
          chance &&
            el("span", { class: "chance", title: CLOSENESS.chance }, chance),
        ),
        el(
          "span",
          { class: "number", title: numbers(hit) },
          (hit.relevance ?? hit.score).toFixed(3),
        ),
      ),
      el("p", { class: "name", title: name }, name),
    ),
  );
}

function numbers(hit) {
  const [score, distance] = [hit.score.toFixed(3), hit.distance.toPrecision(4)];
  return CLOSENESS.numbers(score, distance);
}
