/** What is done to all pictures that meet a filter, by the service, each with its way back. */

import { humane } from "./errors.js";
import { FAVOURITE } from "./gallery_tile.js";
import { DONE, FAILED, SELECTION } from "./messages.js";
import { stringify } from "./exact_json.js";

/** An archive's address is no longer than this; its limit of pictures is the service's. */
const LONGEST_ADDRESS = 4000;
const MOST_ARCHIVED = 10_000;

export class BulkWhole {
  /** `days()`: how long the trash keeps; `undo(token, then)`, `save(url | blob)`. */
  constructor(browse, { views, say, ask, days, undo, save }) {
    Object.assign(this, { browse, views, say, ask, days, undo, save });
  }

  /** `wanted`: {filter, but, count}. Whoever gives a tag has seen the number already. */
  tag(wanted, tag) {
    return this.#change(wanted, { add_tags: [tag] }, (value) => DONE.tagged(value, tag));
  }

  untag(wanted, tag) {
    return this.#change(wanted, { remove_tags: [tag] }, (value) => DONE.untagged(value, tag));
  }

  async favourite(wanted) {
    if (!(await this.ask(...SELECTION.favouriteAll(wanted.count)))) return;
    return this.#change(wanted, { add_tags: [FAVOURITE] }, DONE.favourite);
  }

  /** Resolves to whether they went. */
  async remove(wanted) {
    const forGood = (await this.days()) === 0;
    const asked = forGood ? SELECTION.forGood(wanted.count) : SELECTION.removeAll(wanted.count);
    if (!(await this.ask(...asked))) return false;
    return this.#change(wanted, { delete: true }, forGood ? DONE.deletedForGood : DONE.deleted);
  }

  async download({ filter, but, count }) {
    if (count > MOST_ARCHIVED) return this.say(SELECTION.tooManyToDownload(MOST_ARCHIVED));
    if (!(await this.ask(...SELECTION.downloadAll(count)))) return;
    try {
      const given = new URLSearchParams([["filter", stringify(filter)], ...but.map((id) => ["but", id])]);
      const url = `v1/archive?${given}`;
      await this.save(url.length < LONGEST_ADDRESS ? url : null, () => this.browse.archive({ filter, but }));
    } catch (error) {
      this.say(`${FAILED.download} ${humane(error).sentence}`);
    }
  }

  /** The tags that these pictures carry, with their numbers. */
  async tagsOf({ filter }) {
    const { tags } = await this.browse.facets(filter);
    return tags.map(({ value, count }) => [value, Number(count)]);
  }

  async #change({ filter, but }, change, sentence) {
    try {
      const done = await this.browse.bulk({ filter, but, ...change });
      const { undo } = done;
      this.views.reload();
      this.say(sentence(Number(done.deleted) || Number(done.changed)), undo && (() => this.undo(undo, () => this.views.reload())));
      return true;
    } catch (error) {
      this.say(humane(error).sentence);
      return false;
    }
  }
}
