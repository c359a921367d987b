/** One hit: its picture, how close it is, its tags and its name. */

import { hrefOf } from "./address.js";
import { el, icon } from "./dom.js";
import { thumbnail } from "./thumbnail.js";
import { closeness, nameOf, percent } from "./words.js";

const TAGS_SHOWN = 4;

export function hitCard(hit, search, api) {
  const name = nameOf(hit);
  const card = el(
    "li",
    { class: "hit" },
    picture(hit, name, search, api),
    caption(hit, name, search, api),
  );
  shape(card, hit);
  const img = card.querySelector("img");
  img.addEventListener("load", () => {
    // Kept with the hit: shown again, it takes its place at once.
    hit.ratio = img.naturalWidth / img.naturalHeight;
    shape(card, hit);
  });
  return card;
}

/** Width by height, which the grid makes rows of equal height from. */
function shape(card, hit) {
  const { width, height } = hit.metadata;
  const ratio = hit.ratio ?? width / height;
  if (Number.isFinite(ratio) && ratio > 0) card.style.setProperty("--ratio", ratio.toFixed(3));
}

/** The picture leads to those like it. */
function picture(hit, name, search, api) {
  return el(
    "a",
    {
      class: "picture",
      href: hrefOf({ kind: "similar", id: hit.id }, search.exact),
      "data-search": true,
      "aria-label": `More like ${name}`,
    },
    thumbnail(api, hit.id, ""),
    el("span", { class: "missing" }, icon("missing"), "No preview"),
    el("span", { class: "more-like", "aria-hidden": "true" }, "More like this"),
  );
}

function caption(hit, name, search, api) {
  const { answer } = search;
  const chance =
    hit.probability === null || hit.probability === undefined ? null : percent(hit.probability);
  return el(
    "div",
    { class: "caption" },
    el(
      "p",
      { class: "score" },
      el(
        "span",
        { class: "words" },
        closeness(hit, answer.metric, answer.mode),
        chance &&
          el("span", { class: "chance", title: "Calibrated chance that it matches" }, chance),
      ),
      el(
        "span",
        { class: "number", title: `Score; distance ${hit.distance.toPrecision(4)}` },
        hit.score.toFixed(3),
      ),
    ),
    el("p", { class: "name" }, fileLink(hit, name, api)),
    hit.tags.length ? tagList(hit, search) : null,
  );
}

function tagList(hit, search) {
  const asked = search.query.kind === "term" ? search.query.term.toLowerCase() : null;
  const chips = hit.tags.map((tag) =>
    el(
      "li",
      {},
      tagChip(tag, search.exact, { "aria-current": tag.toLowerCase() === asked ? "true" : null }),
    ),
  );
  const list = el("ul", { class: "tags", "aria-label": "Tags" }, ...chips.slice(0, TAGS_SHOWN));
  const rest = chips.slice(TAGS_SHOWN);
  if (rest.length) {
    const open = () => {
      more.replaceWith(...rest);
      rest[0].firstChild.focus();
    };
    const more = el(
      "li",
      {},
      el(
        "button",
        { class: "chip", click: open, "aria-label": `${rest.length} more tags` },
        `+${rest.length}`,
      ),
    );
    list.append(more);
  }
  return list;
}

/** A tag that leads to its images. */
export function tagChip(tag, exact, attributes = {}, ...more) {
  return el(
    "a",
    {
      class: "chip",
      href: hrefOf({ kind: "term", term: tag }, exact),
      "data-search": true,
      ...attributes,
    },
    tag,
    ...more,
  );
}

/** The name opens the file; where a key is needed, which a link can't send, it saves it. */
function fileLink(hit, name, api) {
  if (!hit.uris.length) return el("span", { title: name }, name);
  const url = api.fileUrl(hit.id);
  const title = hit.uris.join("\n");
  if (api.key === null)
    return el("a", { href: url, target: "_blank", rel: "noopener", title }, name);
  const save = async (event) => {
    event.preventDefault();
    const blobUrl = URL.createObjectURL(await api.blob(url));
    el("a", { href: blobUrl, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(blobUrl), 60_000);
  };
  return el("a", { href: url, title, click: save }, name);
}
