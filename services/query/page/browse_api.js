/** The calls that list the collection and change many pictures at once. */

import { stringify } from "./exact_json.js";

export class BrowseApi {
  constructor(api) {
    this.api = api;
  }

  /** How many pictures there are by day: {days: [{day, count}], undated, total}, in the order shown. */
  timeline(sort, filter, signal) {
    const given = new URLSearchParams({ sort });
    if (filter) given.set("filter", stringify(filter));
    return this.api.call(`v1/images/timeline?${given}`, { signal });
  }

  /** A page of pictures: {images, total, next}. `options`: sort, filter, limit, cursor, from, offset. */
  async images({ filter, ...options }, signal) {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(options)) if (value != null) given.set(name, value);
    if (filter) given.set("filter", stringify(filter));
    const page = await this.api.call(`v1/images?${given}`, { signal });
    page.images.forEach(shape);
    return page;
  }

  /** What the pictures have in common: {years, cameras, countries ..., first, last, total}. */
  facets(filter, signal) {
    const given = new URLSearchParams();
    if (filter) given.set("filter", stringify(filter));
    return this.api.call(`v1/images/facets?${given}`, { signal });
  }

  /** Where pictures were taken, by cells of so many degrees: {cells, placed, total, complete}. */
  map(cell, filter, signal) {
    const given = new URLSearchParams({ cell });
    if (filter) given.set("filter", stringify(filter));
    return this.api.call(`v1/images/map?${given}`, { signal });
  }

  tags(options, signal) {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(options)) if (value != null) given.set(name, value);
    return this.api.call(`v1/tags?${given}`, { signal });
  }

  /** Suspicious tags: {found: [{id, uri, tag, rather, gain}], tags, images}. `kind`: wrong or missing. */
  audit(kind, limit, signal) {
    return this.api.call(`v1/tags/audit?${new URLSearchParams({ kind, limit })}`, { signal });
  }

  /** Hits to judge: {questions: [{search, id, draw}], judged}. */
  questions(limit, signal) {
    return this.api.call(`v1/judgements/questions?limit=${limit}`, { signal });
  }

  /** Keeps whether a hit is right; a question's `draw` goes with it. */
  judge({ search, id, draw, right }) {
    return this.#send("POST", "v1/judgements", { search: { id: search.id }, id, draw, right });
  }

  /** The share of right hits among the first ten: {precision_at_10, low, high, judged}. */
  measured(signal) {
    return this.api.call("v1/judgements/precision", { signal });
  }

  /** What pictures show with at least a probability: {labels: [{name, images, untagged}]}. */
  labels(match, least, limit, signal) {
    return this.api.call(`v1/labels?${new URLSearchParams({ match, least, limit })}`, { signal });
  }

  /** Starts a job that adds a label as a tag. */
  acceptLabel(name, least) {
    return this.#send("POST", "v1/labels/accept", { names: [name], least });
  }

  folders(path, signal) {
    return this.api.call(`v1/folders?${new URLSearchParams({ path })}`, { signal });
  }

  duplicates(cursor, signal) {
    const given = new URLSearchParams({ limit: 24 });
    if (cursor) given.set("cursor", cursor);
    return this.api.call(`v1/duplicates?${given}`, { signal });
  }

  /** Deletions of which at most the share `budget` is wrong, by pages: {delete, at_most_wrong, groups, next ...}. */
  duplicatesPlan(budget, cursor, signal) {
    const given = new URLSearchParams({ budget, limit: 24 });
    if (cursor) given.set("cursor", cursor);
    return this.api.call(`v1/duplicates/plan?${given}`, { signal });
  }

  /** `but`: ids of pictures that stay. */
  deleteDuplicates({ plan, budget, keep }, but) {
    return this.#send("POST", "v1/duplicates/delete", { plan, budget, keep, but });
  }

  /** The job that compares pictures which were not compared yet. */
  compareDuplicates() {
    return this.#send("POST", "v1/duplicates/compare");
  }

  /** A page of the trash: {images, total, days, next}. */
  async trash(cursor, { limit = 500, signal } = {}) {
    const given = new URLSearchParams({ limit });
    if (cursor) given.set("cursor", cursor);
    const page = await this.api.call(`v1/trash?${given}`, { signal });
    page.images.forEach(shape);
    return page;
  }

  restore(ids) {
    return this.#send("POST", "v1/trash/restore", { ids });
  }

  emptyTrash() {
    return this.#send("DELETE", "v1/trash");
  }

  /** Changes many at once; the answer has the `undo` token. */
  bulk(change) {
    return this.#send("POST", "v1/images/bulk", change);
  }

  undo(token) {
    return this.#send("POST", `v1/undo/${encodeURIComponent(token)}`);
  }

  undoJob(id) {
    return this.#send("POST", `v1/jobs/${encodeURIComponent(id)}/undo`);
  }

  renameTag(from, to) {
    return this.#send("POST", "v1/tags/rename", { from, to });
  }

  /** `wanted`: {ids}, or {filter, but}. */
  archive(wanted) {
    return this.api.post("v1/archive", wanted);
  }

  #send(method, url, body) {
    if (body === undefined) return this.api.call(url, { method });
    const headers = { "Content-Type": "application/json" };
    return this.api.call(url, { method, headers, body: stringify(body) });
  }
}

/** Gives an image its ratio, from the facts of its file. */
export function shape(image) {
  const { width, height } = image.file ?? {};
  image.ratio = width && height ? Number(width) / Number(height) : null;
  return image;
}
