/**
 * The chosen pictures: by a click on the check mark, a range, the keyboard, or a long press. Of many,
 * all are chosen by the filter of their view, without being loaded; some may be taken out again.
 */

const LONG_PRESS_MS = 450;
const MOVED = 10;
/** At most so many are chosen one by one; more by their filter. */
export const MOST = 1000;

export class Selection {
  #chosen = new Map();
  /** {filter, total, but}: all that meet a filter, less the ids of `but`. */
  #whole = null;
  #anchor = null;
  #scope = null;
  #listeners = [];

  get size() {
    return this.#whole ? this.#whole.total - this.#whole.but.size : this.#chosen.size;
  }

  /** What is chosen by a filter: {filter, but, count}; null where it's by pictures. */
  get whole() {
    return this.#whole && { filter: this.#whole.filter, but: [...this.#whole.but], count: this.size };
  }

  /** Whether there is a view all of whose pictures can be chosen. */
  get scoped() {
    return Boolean(this.#scope?.all);
  }

  get images() {
    return [...this.#chosen.values()];
  }

  /** Calls `listener()` when others are chosen. */
  subscribe(listener) {
    this.#listeners.push(listener);
  }

  /**
   * `view` knows the pictures: `image(id)`, `range(from, to)`, `all(most)`, and where there may be many
   * `everything()`, the filter that all of them meet and their number; null: there is none.
   */
  scope(view) {
    this.#scope = view;
    this.clear();
  }

  has(id) {
    return this.#whole ? !this.#whole.but.has(id) : this.#chosen.has(id);
  }

  toggle(id) {
    if (this.#whole) this.#leaveOut([id], this.has(id));
    else if (this.#chosen.has(id)) this.#chosen.delete(id);
    else this.#add(id);
    this.#anchor = id;
    this.#changed();
  }

  /** Chooses what lies between the last one and this. */
  extend(id) {
    if (this.#anchor === null || this.#whole) return this.toggle(id);
    for (const one of this.#scope?.range(this.#anchor, id).slice(0, MOST) ?? []) this.#add(one);
    this.#changed();
  }

  /** Chooses these, or lets them go where all of them are chosen. */
  group(images) {
    const all = images.every(({ id }) => this.has(id));
    if (this.#whole) this.#leaveOut(images.map(({ id }) => id), all);
    else for (const image of images) {
      if (all) this.#chosen.delete(image.id);
      else this.#chosen.set(image.id, image);
    }
    this.#anchor = images.at(-1)?.id ?? null;
    this.#changed();
  }

  /** Chooses everything that the view has; resolves to whether that's all of it. */
  async all() {
    const scope = this.#scope;
    if (!scope?.all) return true;
    const everything = await scope.everything?.();
    if (scope !== this.#scope) return true;
    if (everything?.total > MOST) {
      this.#chosen.clear();
      this.#whole = { ...everything, but: new Set() };
      this.#changed();
      return true;
    }
    const { images, more } = await scope.all(MOST);
    if (scope !== this.#scope) return true;
    for (const image of images) this.#chosen.set(image.id, image);
    this.#changed();
    return !more;
  }

  clear() {
    this.#anchor = null;
    if (!this.#chosen.size && !this.#whole) return;
    this.#whole = null;
    this.#chosen.clear();
    this.#changed();
  }

  drop(ids) {
    for (const id of ids) {
      this.#chosen.delete(id);
      if (this.#whole && !this.#whole.but.delete(id)) this.#whole.total -= 1;
    }
    this.#changed();
  }

  /** Takes pictures out of all that are chosen, or back in. */
  #leaveOut(ids, out) {
    const { but } = this.#whole;
    for (const id of ids) out ? but.add(id) : but.delete(id);
    if (this.size <= 0) this.#whole = null;
  }

  /** Follows the pointer on the pictures of a part of the page. */
  listen(root) {
    let [timer, start, pressed] = [0, null, false];
    root.addEventListener(
      "click",
      (event) => {
        const tile = event.target.closest("[data-select], a[data-open]");
        const id = tile?.dataset.select ?? tile?.dataset.open;
        if (!id || event.button !== 0 || event.ctrlKey || event.metaKey) return;
        if (pressed) pressed = false;
        else if (tile.dataset.select) (event.shiftKey ? this.extend(id) : this.toggle(id));
        else if (this.size && tile.closest("[data-id]")) (event.shiftKey ? this.extend(id) : this.toggle(id));
        else return;
        event.preventDefault();
        event.stopPropagation();
      },
      true,
    );
    root.addEventListener("pointerdown", (event) => {
      pressed = false;
      const tile = event.target.closest("[data-id]");
      if (!tile || event.pointerType === "mouse") return;
      start = [event.clientX, event.clientY];
      timer = setTimeout(() => {
        pressed = true;
        this.toggle(tile.dataset.id);
        navigator.vibrate?.(15);
      }, LONG_PRESS_MS);
    });
    const stop = () => clearTimeout(timer);
    root.addEventListener("pointermove", (event) => {
      if (start && Math.hypot(event.clientX - start[0], event.clientY - start[1]) > MOVED) stop();
    });
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) root.addEventListener(name, stop);
    // A long press chooses; the browser's own menu would come in between.
    root.addEventListener("contextmenu", (event) => pressed && event.preventDefault());
  }

  #add(id) {
    const image = this.#scope?.image(id);
    if (image && this.#chosen.size < 2 * MOST) this.#chosen.set(id, image);
  }

  #changed() {
    for (const listener of this.#listeners) listener();
  }
}
