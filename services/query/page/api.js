/** The query service's API, as this page uses it. */

const KEY = "ise.key";

/** What went wrong, in a sentence for a person. `status` is 0 when there was no answer at all. */
export class ApiError extends Error {
  constructor(status, title, detail, requestId = null) {
    super(detail);
    this.status = status;
    this.title = title;
    this.requestId = requestId;
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

  tags(prefix, limit, signal) {
    return this.#json(`v1/tags?${new URLSearchParams({ prefix, limit })}`, { signal });
  }

  image(id, signal) {
    return this.#json(pathOf(id), { signal });
  }

  /** A page of the answer to a query; `options` are `limit`, `cursor` and `exact`. */
  search(query, options, signal) {
    const fields = new URLSearchParams(options);
    if (query.kind === "term") {
      fields.set("term", query.term);
      return this.#json(`v1/search?${fields}`, { signal });
    }
    if (query.kind === "similar")
      return this.#json(`${pathOf(query.id)}/similar?${fields}`, { signal });
    const body = new FormData();
    for (const [name, value] of fields) body.append(name, value);
    body.append("file", query.file, query.file.name || "picture");
    return this.#json("v1/search/image", { method: "POST", body, signal });
  }

  thumbnailUrl(id) {
    return `${pathOf(id)}/thumbnail`;
  }

  fileUrl(id) {
    return `${pathOf(id)}/file`;
  }

  /** A picture's bytes, for where an `<img>` or a link can't send the key. */
  async blob(url) {
    const response = await this.#send(url, {});
    if (!response.ok) throw await problemOf(response);
    return response.blob();
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
    return response.json();
  }

  async #send(url, init) {
    const headers = { ...init.headers };
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    try {
      return await fetch(url, { ...init, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(
        0,
        "Can't reach the search service",
        "It may be down, or this device is offline.",
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

function pathOf(id) {
  return `v1/images/${encodeURIComponent(id)}`;
}

/** The error that a response tells of; a proxy in between may answer with no problem document. */
async function problemOf(response) {
  const type = response.headers.get("Content-Type") ?? "";
  const problem = type.includes("json") ? await response.json().catch(() => ({})) : {};
  return new ApiError(
    response.status,
    problem.title || "The search failed",
    problem.detail || `The server answered ${response.status} ${response.statusText}`.trim() + ".",
    problem.request_id,
  );
}
