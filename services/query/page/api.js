/** The query service's API, as this page uses it. */

import { parse, stringify } from "./exact_json.js";
import { FAILED } from "./messages.js";
import { sortOf } from "./gallery_query.js";
import { conditionsOf, onlyPart } from "./query.js";
import { traceparent } from "./trace.js";

const KEY = "ise.key";
const FACETS = 40;
const LIKELY = 0.5;

/** What went wrong, in a sentence for a person. `status` is 0 when there was no answer at all. */
export class ApiError extends Error {
  constructor(status, title, detail, requestId = null, upload = null, details = null) {
    super(detail);
    /** What is of use to whoever runs the services alone. */
    this.details = details;
    /** The upload that is no longer kept, where that is what's wrong. */
    this.upload = upload;
    this.status = status;
    this.title = title;
    this.requestId = requestId;
    /** Seconds after which to ask again for a file that is being checked; else null. */
    this.checkedIn = null;
  }

  get offline() {
    return this.status === 0;
  }

  /** Whether the same call may well succeed later, or with a key. */
  get passing() {
    return this.offline || this.status === 401 || this.status === 429 || this.status >= 500;
  }
}

export class Api {
  #asking = null;

  /** `askKey(wrong)` resolves to a key that the user typed, or to null when they'd rather not. */
  constructor(askKey) {
    this.askKey = askKey;
  }

  get key() {
    return sessionStorage.getItem(KEY);
  }

  stats() {
    return this.#json("v1/stats");
  }

  /** The answer of a call that other parts of the page know. */
  call(url, init) {
    return this.#json(url, init);
  }

  /** The tags with a word that begins as `match` does, the most frequent first. */
  tags(match, limit, signal) {
    return this.#json(`v1/tags?${new URLSearchParams({ match, limit })}`, { signal });
  }

  /** The towns and countries with a word that begins as `match` does, where pictures were taken. */
  places(match, limit, signal) {
    return this.#json(`v1/places?${new URLSearchParams({ match, limit })}`, { signal });
  }

  placesCalled(name) {
    return this.#json(`v1/places?${new URLSearchParams({ name: name.slice(0, 200) })}`);
  }

  image(id, signal) {
    return this.#json(pathOf(id), { signal });
  }

  /** A page of the answer to a query; `options` are `limit` and `cursor`. */
  search(query, options, signal) {
    const fields = { ...options, facets: FACETS, ...mannerOf(query) };
    if (query.sort) return this.#sorted(query, fields, signal);
    return this.#found(query, fields, signal);
  }

  /** Matches by date: their pages have places instead of cursors. */
  async #sorted(query, { cursor, ...fields }, signal) {
    const offset = Number(cursor ?? 0);
    const answer = await this.#found(query, { ...fields, offset, sort: sortOf(query.sort) }, signal);
    const { length } = answer.hits;
    return { ...answer, next: length === fields.limit ? String(offset + length) : null };
  }

  #found(query, fields, signal) {
    const only = onlyPart(query);
    if (only?.kind === "image") {
      if (fields.filter) fields.filter = stringify(fields.filter);
      const asked = new URLSearchParams(fields);
      return this.#json(`${pathOf(only.value)}/similar?${asked}`, { signal });
    }
    const asked = only ? { [only.kind]: only.value } : { parts: query.parts.map(partOf) };
    return this.#post("v1/search", { ...asked, ...fields }, signal);
  }

  similar(id, limit, signal) {
    return this.#json(`${pathOf(id)}/similar?${new URLSearchParams({ limit })}`, { signal });
  }

  /** Keeps a picture for a while; `id` is what it can be searched by. */
  keepUpload(file) {
    const body = new FormData();
    body.append("file", file, file.name || "picture");
    return this.#json("v1/uploads", { method: "POST", body });
  }

  uploadUrl(id) {
    return `v1/uploads/${encodeURIComponent(id)}`;
  }

  /** Width by height of images, null where a file can't be read. */
  shapes(ids, signal) {
    return this.#post("v1/images/shapes", { ids }, signal);
  }

  /** Why an image is like another one, or like a term: `to` is {to: id} or {term}. */
  why(id, to, signal) {
    return this.#json(`${pathOf(id)}/why?${new URLSearchParams(to)}`, { signal });
  }

  /** Why a picture is like an image. */
  whyPicture(blob, id, signal) {
    const body = new FormData();
    body.append("file", blob, "picture");
    body.append("to", id);
    return this.#json("v1/why", { method: "POST", body, signal });
  }

  suggestTags(id, limit, signal) {
    return this.#json(`${pathOf(id)}/suggest-tags?${new URLSearchParams({ limit })}`, { signal });
  }

  retag(id, tags) {
    return this.#post(pathOf(id), { tags }, undefined, "PATCH");
  }

  /** `keepalive`: it's sent though the page is being left. */
  remove(id, keepalive = false) {
    return this.#json(pathOf(id), { method: "DELETE", keepalive });
  }

  thumbnailUrl(id) {
    return `${pathOf(id)}/thumbnail`;
  }

  fileUrl(id) {
    return `${pathOf(id)}/file`;
  }

  /**
   * Lets players and links, which can't send the key, read an image's file. Resolves to the seconds for which they may,
   * null where no key is needed.
   */
  async allowFile(id) {
    if (this.key === null) return null;
    return (await this.#json(`${this.fileUrl(id)}/access`, { method: "POST" })).seconds;
  }

  /** Resolves if an image's file can be read; the error tells why it can't. */
  async checkFile(id) {
    const response = await this.#send(this.fileUrl(id), { headers: { Range: "bytes=0-0" }, cache: "no-store" });
    if (!response.ok) throw await problemOf(response);
    await response.body?.cancel();
  }

  /** A picture's bytes, for where an `<img>` or a link can't send the key. */
  blob(url, signal) {
    return this.#blob(url, { signal });
  }

  /** The bytes that a call with a body answers. */
  post(url, body) {
    const headers = { "Content-Type": "application/json" };
    return this.#blob(url, { method: "POST", headers, body: stringify(body) });
  }

  async #blob(url, init) {
    const response = await this.#send(url, init);
    if (!response.ok) throw await problemOf(response);
    return response.blob();
  }

  #post(url, body, signal, method = "POST") {
    const headers = { "Content-Type": "application/json" };
    return this.#json(url, { method, headers, body: stringify(body), signal });
  }

  async #json(url, init = {}) {
    let key = this.key;
    let response = await this.#send(url, init);
    while (response.status === 401) {
      // Another call may have got a key in the meantime: try that one before asking again.
      if (key === this.key) await this.#newKey(key !== null, await problemOf(response));
      key = this.key;
      response = await this.#send(url, init);
    }
    if (!response.ok) throw await problemOf(response);
    return parse(await response.text());
  }

  async #send(url, init) {
    const headers = { traceparent: traceparent(), ...init.headers };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    try {
      return await fetch(url, { ...init, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(
        0,
        FAILED.unreached,
        FAILED.unreachedWords,
      );
    }
  }

  /** Asks once, however many calls were refused at the same time. */
  async #newKey(wrong, refusal) {
    this.#asking ??= this.askKey(wrong).finally(() => (this.#asking = null));
    const key = await this.#asking;
    if (key === null) throw refusal;
    sessionStorage.setItem(KEY, key);
  }
}

/** How a query is to be answered, in the API's terms. */
function mannerOf(query) {
  const fields = {};
  if (query.exact) fields.exact = true;
  if (query.literal) fields.exact_term = true;
  if (!query.copies) fields.group_duplicates = true;
  if (query.likely && query.parts.length === 1) fields.min_probability = LIKELY;
  if (conditionsOf(query).length) fields.filter = query.filter;
  return fields;
}

function partOf({ kind, value, weight, crop }) {
  const named = kind === "image" ? "id" : kind;
  return crop ? { [named]: value, weight, crop } : { [named]: value, weight };
}

function pathOf(id) {
  return `v1/images/${encodeURIComponent(id)}`;
}

/** The error that a response tells of; a proxy in between may answer with no problem document. */
async function problemOf(response) {
  const type = response.headers.get("Content-Type") ?? "";
  const problem = type.includes("json") ? await response.json().catch(() => ({})) : {};
  const detail =
    problem.detail || FAILED.answered(`${response.status} ${response.statusText}`.trim());
  const error = new ApiError(
    response.status,
    problem.title || FAILED.search,
    problem.peer_away ? FAILED.part : detail,
    problem.request_id,
    problem.upload,
    problem.peer_away ? detail : null,
  );
  if (problem.checking) error.checkedIn = problem.retry_after;
  return error;
}
