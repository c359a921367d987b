/** An upload of many pictures, a batch at a time. */

import { ADD } from "./messages_manage.js";

const FILES = 50;
const BYTES = 32 * 2 ** 20;

export class Upload {
  done = 0;
  added = 0;
  known = 0;
  running = false;
  error = null;
  failures = [];
  #stopped = false;

  /** `onChange()` is called when a batch is through. */
  constructor(api, files, tags, onChange) {
    this.api = api;
    this.files = files;
    this.tags = tags;
    this.onChange = onChange;
    this.total = files.length;
  }

  get left() {
    return this.total - this.done;
  }

  get sentence() {
    const parts = [ADD.added(this.added)];
    if (this.known) parts.push(ADD.known(this.known));
    if (this.failures.length) parts.push(ADD.failed(this.failures.length));
    const told = `${parts.join(", ")}.`;
    return this.left ? `${told} ${ADD.left(this.left)}` : told;
  }

  /** Sends what is left. A batch that fails is kept, so that it can be tried again. */
  async run(onBatch) {
    this.running = true;
    this.error = null;
    this.#stopped = false;
    this.onChange();
    while (this.left && !this.#stopped) {
      const batch = batchOf(this.files.slice(this.done));
      try {
        const { items } = await this.api.add(batch, this.tags);
        this.#take(items);
      } catch (error) {
        this.error = error;
        break;
      }
      this.done += batch.length;
      this.onChange();
      await onBatch();
    }
    this.running = false;
  }

  /** Ends it after the batch that is on its way. */
  stop() {
    this.#stopped = true;
  }

  #take(items) {
    for (const item of items) {
      if (item.state === "added") this.added += 1;
      else if (item.state === "exists") this.known += 1;
      else this.failures.push(item);
    }
  }
}

/** As many of the first files as fit into one call; at least one. */
function batchOf(files) {
  let size = 0;
  const end = files.slice(0, FILES).findIndex((file, index) => {
    size += file.size;
    return index > 0 && size > BYTES;
  });
  return files.slice(0, end < 0 ? FILES : end);
}
