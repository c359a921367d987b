/** The chosen pictures: by a click on the check mark, a range, the keyboard, or a long press. */

const LONG_PRESS_MS = 450;
const MOVED = 10;
/** At most so many are chosen by one stroke. */
export const MOST = 5000;

export class Selection {
  #chosen = new Map();
  #anchor = null;
  #scope = null;
  #listeners = [];

  get size() {
    return this.#chosen.size;
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

  /** `view` knows the pictures: `image(id)`, `range(from, to)`, `all(most)`; null: there is none. */
  scope(view) {
    this.#scope = view;
    this.clear();
  }

  has(id) {
    return this.#chosen.has(id);
  }

  toggle(id) {
    if (this.#chosen.has(id)) this.#chosen.delete(id);
    else this.#add(id);
    this.#anchor = id;
    this.#changed();
  }

  /** Chooses what lies between the last one and this. */
  extend(id) {
    if (this.#anchor === null) return this.toggle(id);
    for (const one of this.#scope?.range(this.#anchor, id).slice(0, MOST) ?? []) this.#add(one);
    this.#changed();
  }

  /** Chooses these, or lets them go where all of them are chosen. */
  group(images) {
    const all = images.every(({ id }) => this.#chosen.has(id));
    for (const image of images) {
      if (all) this.#chosen.delete(image.id);
      else this.#chosen.set(image.id, image);
    }
    this.#anchor = images.at(-1)?.id ?? null;
    this.#changed();
  }

  /** Chooses everything that the view shows, up to a bound; resolves to whether that's all. */
  async all() {
    const scope = this.#scope;
    if (!scope?.all) return true;
    const { images, more } = await scope.all(MOST);
    if (scope !== this.#scope) return true;
    for (const image of images) this.#chosen.set(image.id, image);
    this.#changed();
    return !more;
  }

  clear() {
    this.#anchor = null;
    if (!this.#chosen.size) return;
    this.#chosen.clear();
    this.#changed();
  }

  drop(ids) {
    for (const id of ids) this.#chosen.delete(id);
    this.#changed();
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
