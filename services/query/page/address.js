/**
 * The address bar holds the search, so that it can be kept, sent and gone back to.
 *
 * A query is one of {kind: "none"}, {kind: "term", term}, {kind: "similar", id} and
 * {kind: "upload", file}. A file has no address: its search is kept in memory by history entry.
 */

/** What the address `url` asks for. */
export function read(url) {
  const given = new URL(url, document.baseURI).searchParams;
  const term = given.get("term")?.trim();
  const id = given.get("similar");
  let query = { kind: "none" };
  if (id) query = { kind: "similar", id };
  else if (term) query = { kind: "term", term };
  return { query, exact: given.get("exact") === "1" };
}

/** The address of a search, relative to the page, so that it works behind any path prefix. */
export function hrefOf(query, exact) {
  const given = new URLSearchParams();
  if (query.kind === "term") given.set("term", query.term);
  if (query.kind === "similar") given.set("similar", query.id);
  if (exact) given.set("exact", "1");
  return given.size ? `?${given}` : "./";
}
