/** What is done to many pictures at once, each with its way back. */

import { BulkWhole } from "./bulk_whole.js";
import { humane } from "./errors.js";
import { FAVOURITE, isFavourite } from "./gallery_tile.js";
import { DONE, FAILED, SELECTION } from "./messages.js";
import { normalForm } from "./tag_text.js";
import { el } from "./dom.js";
import { nameOf } from "./words.js";

/** An archive has its ids in its address where it's short enough for one. */
const IN_ADDRESS = 60;

export class Bulk {
  #trashDays = null;

  /**
   * `views`: `removed(ids)`, `back()`, `retagged(ids)` are called as pictures go, come back or change.
   * `say(sentence, undo)` tells what was done; `ask(title, sentences, action)` resolves to whether.
   */
  constructor(api, browse, { views, say, ask }) {
    this.api = api;
    this.browse = browse;
    this.views = views;
    this.say = say;
    this.ask = ask;
    /** The same for all pictures that meet a filter. */
    this.whole = new BulkWhole(browse, {
      views,
      say,
      ask,
      days: () => this.#days(),
      undo: (token, then) => this.#undo(token, then),
      save: async (url, blob) =>
        url && this.api.key === null ? link(url, SELECTION.zipName) : saveBlob(await blob(), SELECTION.zipName),
    });
  }

  async favourite(images) {
    const on = !images.every(isFavourite);
    const sentence = on ? DONE.favourite(images.length) : DONE.unfavourite(images.length);
    await this.#retag(images, on ? { add_tags: [FAVOURITE] } : { remove_tags: favouritesOf(images) }, sentence);
    return on;
  }

  tag(images, tag) {
    return this.#retag(images, { add_tags: [tag] }, DONE.tagged(images.length, tag));
  }

  untag(images, tag) {
    return this.#retag(images, { remove_tags: [tag] }, DONE.untagged(images.length, tag));
  }

  /** Other tags of a picture were saved: says so, with the way back. */
  retagged(image, tags, undo) {
    const before = image.tags;
    image.tags = tags;
    this.views.retagged([image.id]);
    this.say(
      DONE.retagged(nameOf(image)),
      undo &&
        (() =>
          this.#undo(undo, () => {
            image.tags = before;
            this.views.retagged([image.id]);
          })),
    );
  }

  /**
   * Moves pictures to the trash; resolves to whether they went. Asks first where there is no trash,
   * and leaves them where that can't be told.
   */
  async remove(images) {
    const ids = images.map(({ id }) => id);
    try {
      const forGood = (await this.#days()) === 0;
      if (forGood && !(await this.ask(...SELECTION.forGood(ids.length)))) return false;
      const sentence = forGood
        ? DONE.deletedForGood(ids.length)
        : ids.length === 1
          ? DONE.deletedOne(nameOf(images[0]))
          : DONE.deleted(ids.length);
      const { undo } = await this.browse.bulk({ ids, delete: true });
      this.views.removed(new Set(ids));
      this.say(sentence, undo && (() => this.#undo(undo, () => this.views.back(new Set(ids)))));
      return true;
    } catch (error) {
      this.say(humane(error).sentence);
      return false;
    }
  }

  async restore(images) {
    const ids = images.map(({ id }) => id);
    try {
      await this.browse.restore(ids);
      this.views.restored(new Set(ids));
      this.say(DONE.restored(ids.length));
    } catch (error) {
      this.say(humane(error).sentence);
    }
  }

  async download(images) {
    const ids = images.map(({ id }) => id);
    try {
      if (ids.length === 1) return await this.#save(this.api.fileUrl(ids[0]), nameOf(images[0]));
      if (this.api.key === null && ids.length <= IN_ADDRESS)
        return link(`v1/archive?${new URLSearchParams(ids.map((id) => ["id", id]))}`, SELECTION.zipName);
      const blob = await this.browse.archive({ ids });
      saveBlob(blob, SELECTION.zipName);
    } catch (error) {
      this.say(`${FAILED.download} ${humane(error).sentence}`);
    }
  }

  async rename(from, to) {
    const { undo } = await this.browse.renameTag(from, to);
    this.say(DONE.renamed(from, to), undo && (() => this.#undo(undo, () => this.views.back(new Set()))));
  }

  async #save(url, name) {
    if (this.api.key === null) return link(url, name);
    saveBlob(await this.api.blob(url), name);
  }

  async #retag(images, change, sentence) {
    const before = new Map(images.map((image) => [image, image.tags]));
    const ids = images.map(({ id }) => id);
    const renew = () => this.views.retagged(ids);
    for (const image of images) image.tags = changed(image.tags, change);
    renew();
    const back = () => {
      for (const [image, tags] of before) image.tags = tags;
      renew();
    };
    try {
      const { undo } = await this.browse.bulk({ ids, ...change });
      this.say(sentence, undo && (() => this.#undo(undo, back)));
    } catch (error) {
      back();
      this.say(humane(error).sentence);
    }
  }

  async #undo(token, then) {
    try {
      await this.browse.undo(token);
      await then();
      this.say(DONE.undone);
    } catch (error) {
      this.say(error.status === 404 || error.status === 409 ? FAILED.undo : humane(error).sentence);
    }
  }

  /** How many days the trash keeps pictures; 0: there is none. */
  async #days() {
    this.#trashDays ??= Number((await this.browse.trash(null, { limit: 1 })).days);
    return this.#trashDays;
  }
}

function favouritesOf(images) {
  const found = images.flatMap(({ tags }) => tags.filter((tag) => normalForm(tag) === FAVOURITE));
  return [...new Set(found)];
}

function changed(tags, { add_tags: added = [], remove_tags: removed = [] }) {
  const gone = new Set(removed.map(normalForm));
  const left = tags.filter((tag) => !gone.has(normalForm(tag)));
  const known = new Set(left.map(normalForm));
  return [...left, ...added.filter((tag) => !known.has(normalForm(tag)))];
}

function link(url, name) {
  el("a", { href: url, download: name }).click();
}

function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  link(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
