/** The address bar holds the search, so that it can be kept, sent and gone back to. */

import { parse, stringify } from "./exact_json.js";
import { NO_FILTER, NOTHING, conditionsOf, part } from "./query.js";

const NAMES = { term: "term", image: "similar", upload: "upload" };
const AGAINST = "not-";
export const VIEWS = ["photos", "favourites", "map", "tags", "labels", "wrong-tags", "missing-tags", "judge", "folders", "duplicates", "trash"];
const SORTS = ["taken", "added", "name"];

/** What the address `url` asks for, and which image it shows large. */
export function read(url) {
  const given = new URL(url, document.baseURI).searchParams;
  const query = {
    ...NOTHING,
    parts: [...given].map(([name, value]) => partOf(name, value.trim())).filter(Boolean),
    filter: filterOf(given.get("filter")),
    exact: given.get("exact") === "1",
    literal: given.get("exact_term") === "1",
    likely: given.get("likely") === "1",
    copies: given.get("copies") === "1",
    view: VIEWS.includes(given.get("view")) ? given.get("view") : "photos",
    folder: given.get("folder") ?? "",
    sort: SORTS.includes(given.get("sort")) ? given.get("sort") : "",
  };
  return { query, open: given.get("open") };
}

/** The address of a search, relative to the page, so that it works behind any path prefix. */
export function hrefOf(query, open = null) {
  const given = new URLSearchParams();
  for (const { kind, value, weight, crop } of query.parts) {
    const box = crop ? `@${[crop.x, crop.y, crop.width, crop.height].join(",")}` : "";
    given.append((weight < 0 ? AGAINST : "") + NAMES[kind], value + box);
  }
  if (conditionsOf(query).length) given.set("filter", stringify(query.filter));
  for (const name of ["exact", "likely", "copies"]) if (query[name]) given.set(name, "1");
  if (query.literal) given.set("exact_term", "1");
  if (!query.parts.length) {
    if (query.view !== "photos") given.set("view", query.view);
    if (query.folder) given.set("folder", query.folder);
  }
  if (query.sort) given.set("sort", query.sort);
  if (open !== null) given.set("open", open);
  return given.size ? `?${given}` : "./";
}

function partOf(name, text) {
  const against = name.startsWith(AGAINST);
  const wanted = against ? name.slice(AGAINST.length) : name;
  const kind = Object.keys(NAMES).find((one) => NAMES[one] === wanted);
  if (!kind || !text) return null;
  const weight = against ? -1 : 1;
  if (kind !== "upload") return part(kind, text, weight);
  const [value, box] = text.split("@");
  return part(kind, value, weight, cropOf(box));
}

function cropOf(text) {
  const numbers = (text ?? "").split(",").map(Number);
  if (numbers.length !== 4 || !numbers.every(Number.isFinite)) return null;
  const [x, y, width, height] = numbers;
  return { x, y, width, height };
}

/** What was written by hand may be anything; the service says what is wrong with its conditions. */
function filterOf(text) {
  try {
    const given = parse(text) ?? {};
    const lists = Object.keys(NO_FILTER).map((way) => [
      way,
      Array.isArray(given[way]) ? given[way] : [],
    ]);
    return Object.fromEntries(lists);
  } catch {
    return NO_FILTER;
  }
}
