/** The calls that tell of the collection and change it. */

export class CollectionApi {
  constructor(api) {
    this.api = api;
  }

  stats() {
    return this.api.call("v1/stats");
  }

  health() {
    return this.api.call("v1/index");
  }

  /** A page of the jobs, the newest first: `{jobs, next}`. */
  jobs(cursor = null) {
    return this.api.call(`v1/jobs${cursor === null ? "" : `?${new URLSearchParams({ cursor })}`}`);
  }

  /** What a job could not take, the first `limit`: `{failures, total}`. */
  failures(job, limit) {
    return this.api.call(`${pathOf(job)}/failures?limit=${limit}`);
  }

  cancel(job) {
    return this.api.call(pathOf(job), { method: "DELETE" });
  }

  async snapshots() {
    return (await this.api.call("v1/snapshots")).snapshots;
  }

  async activate(number) {
    return (await this.#post(`v1/snapshots/${number}/activate`)).snapshots;
  }

  /** The folders in a folder of the server; without `path`, those to start from. */
  sourceFolders(path) {
    return this.api.call(`v1/ingest/folders${path === null ? "" : `?${new URLSearchParams({ path })}`}`);
  }

  undo(job) {
    return this.#post(`${pathOf(job)}/undo`);
  }

  ingest(request) {
    return this.#post("v1/ingest", request);
  }

  build(settings) {
    return this.#post("v1/index/build", settings);
  }

  train(settings) {
    return this.#post("v1/matching/train", { settings });
  }

  /** Uploads files with tags for all of them; each file's outcome is in the answer's `items`. */
  add(files, tags) {
    const body = new FormData();
    for (const file of files) body.append("files", file, file.name || "picture");
    body.append("tags", tags);
    return this.api.call("v1/images", { method: "POST", body });
  }

  #post(url, body = {}) {
    const headers = { "Content-Type": "application/json" };
    return this.api.call(url, { method: "POST", headers, body: JSON.stringify(body) });
  }
}

function pathOf(job) {
  return `v1/jobs/${encodeURIComponent(job.id)}`;
}
