/** Zooming and panning of what a stage shows, and swiping from picture to picture. */

const MOST = 12;
const STEP = 1.4;
const SWIPE = 60;

export class Zoom {
  #scale = 1;
  #x = 0;
  #y = 0;
  #pointers = new Map();
  #start = null;

  /** `targets()` gives the elements that are moved together; `onSwipe(by)`: -1 back, 1 on. */
  constructor(stage, targets, onSwipe) {
    this.stage = stage;
    this.targets = targets;
    this.onSwipe = onSwipe;
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("dblclick", (event) => this.#zoom(this.#scale > 1 ? 1 / this.#scale : 2.5, event));
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.#up(event));
  }

  get zoomed() {
    return this.#scale > 1.001;
  }

  by(steps) {
    this.#zoom(STEP ** steps);
  }

  reset() {
    [this.#scale, this.#x, this.#y] = [1, 0, 0];
    this.#apply();
  }

  #zoom(factor, event = null) {
    const box = this.stage.getBoundingClientRect();
    const scale = Math.min(MOST, Math.max(1, this.#scale * factor));
    const px = (event?.clientX ?? box.left + box.width / 2) - box.left - box.width / 2;
    const py = (event?.clientY ?? box.top + box.height / 2) - box.top - box.height / 2;
    const by = scale / this.#scale;
    // What is under the pointer stays there.
    this.#x = px - (px - this.#x) * by;
    this.#y = py - (py - this.#y) * by;
    this.#scale = scale;
    this.#apply();
  }

  #apply() {
    const box = this.stage.getBoundingClientRect();
    const room = (size) => ((this.#scale - 1) * size) / 2;
    this.#x = Math.min(room(box.width), Math.max(-room(box.width), this.#x));
    this.#y = Math.min(room(box.height), Math.max(-room(box.height), this.#y));
    this.stage.classList.toggle("zoomed", this.zoomed);
    const transform = this.zoomed ? `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})` : "";
    for (const target of this.targets()) target.style.transform = transform;
  }

  #wheel(event) {
    event.preventDefault();
    this.#zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0018)), event);
  }

  #down(event) {
    if (event.target.closest("button, video")) return;
    this.#pointers.set(event.pointerId, event);
    this.stage.setPointerCapture(event.pointerId);
    this.#start = { x: event.clientX, y: event.clientY };
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.#pointers.values()].filter(({ pointerId }) => pointerId !== event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (others.length) {
      const gap = (one) => Math.hypot(one.clientX - others[0].clientX, one.clientY - others[0].clientY);
      const middle = { clientX: (event.clientX + others[0].clientX) / 2, clientY: (event.clientY + others[0].clientY) / 2 };
      this.#start = null;
      return this.#zoom(gap(event) / Math.max(1, gap(before)), middle);
    }
    if (!this.zoomed) return;
    this.#x += event.clientX - before.clientX;
    this.#y += event.clientY - before.clientY;
    this.#apply();
  }

  #up(event) {
    const known = this.#pointers.delete(event.pointerId);
    if (!known || this.zoomed || !this.#start || event.pointerType === "mouse") return;
    const [across, down] = [event.clientX - this.#start.x, event.clientY - this.#start.y];
    if (Math.abs(across) > SWIPE && Math.abs(across) > 1.5 * Math.abs(down)) this.onSwipe(across < 0 ? 1 : -1);
  }
}
