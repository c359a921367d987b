/** The part of the world that a map shows: moved by pointers, the wheel, keys and buttons. */

const CLOSEST = 2 ** 16;
const STEP = 2;
const WHEEL = 0.0022;
/** A pointer that moved less than this was a click. */
const SLIP = 5;

export class MapFrame {
  /** The middle on a square of side 1, and how many pixels its side is. */
  x = 0.5;
  y = 0.42;
  side = 1;
  #pointers = new Map();
  #moved = 0;

  /** `onMove()` is called when another part is shown. */
  constructor(element, onMove) {
    this.element = element;
    this.onMove = onMove;
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    element.addEventListener("pointerdown", (event) => this.#down(event));
    element.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, (event) => this.#pointers.delete(event.pointerId));
    // What ended a drag is no click on the picture below.
    element.addEventListener("click", (event) => this.#moved > SLIP && (event.preventDefault(), event.stopPropagation()), true);
    element.addEventListener("dragstart", (event) => event.preventDefault());
  }

  /** Its size on the screen was measured: the world fills its width at least. */
  resize(width, height) {
    this.width = width;
    this.height = height;
    this.#settle();
  }

  /** The square as it's seen: {left, top, right, bottom}. */
  get seen() {
    const [w, h] = [this.width / this.side / 2, this.height / this.side / 2];
    return { left: this.x - w, top: this.y - h, right: this.x + w, bottom: this.y + h };
  }

  get #widest() {
    return Math.max(this.width, 1);
  }

  /** Where a point of the square is in pixels. */
  pixels(x, y) {
    return [(x - this.x) * this.side + this.width / 2, (y - this.y) * this.side + this.height / 2];
  }

  /** Shows all of these points, with some room around them. */
  fit(points) {
    if (!points.length) return this.whole();
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    this.x = (left + right) / 2;
    this.y = (top + bottom) / 2;
    const wanted = Math.min(this.width / (right - left || 1e-9), this.height / (bottom - top || 1e-9)) * 0.7;
    this.side = Math.min(wanted, 16_384);
    this.#settle();
  }

  whole() {
    [this.x, this.y, this.side] = [0.5, 0.45, 0];
    this.#settle();
  }

  /** Comes nearer (above 1) or goes farther (below), around a pixel or the middle. */
  zoom(by, at = [this.width / 2, this.height / 2]) {
    const [dx, dy] = [at[0] - this.width / 2, at[1] - this.height / 2];
    const side = Math.max(this.#widest, Math.min(CLOSEST * 16, this.side * by));
    this.x += dx / this.side - dx / side;
    this.y += dy / this.side - dy / side;
    this.side = side;
    this.#settle();
  }

  nearer() {
    this.zoom(STEP);
  }

  farther() {
    this.zoom(1 / STEP);
  }

  pan(dx, dy) {
    this.x += dx / this.side;
    this.y += dy / this.side;
    this.#settle();
  }

  /** The world has edges. */
  #settle() {
    if (!this.width) return;
    this.side = Math.max(this.#widest, this.side);
    const [w, h] = [this.width / this.side / 2, this.height / this.side / 2];
    this.x = Math.max(w, Math.min(1 - w, this.x));
    this.y = h > 0.5 ? 0.5 : Math.max(h, Math.min(1 - h, this.y));
    this.onMove();
  }

  #at(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 20 : 1);
    this.zoom(Math.exp(-Math.max(-300, Math.min(300, pixels)) * WHEEL * (event.ctrlKey ? 4 : 1)), this.#at(event));
  }

  #down(event) {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if (!this.#pointers.size) this.#moved = 0;
    this.#pointers.set(event.pointerId, this.#at(event));
  }

  #move(event) {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#at(event);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    this.#moved += Math.hypot(dx, dy);
    if (this.#moved <= SLIP) return;
    if (!this.element.hasPointerCapture(event.pointerId)) this.element.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, now);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (!other) return this.pan(-dx, -dy);
    const apart = ([x, y]) => Math.max(10, Math.hypot(x - other[0], y - other[1]));
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    this.pan(-dx / 2, -dy / 2);
    this.zoom(apart(now) / apart(before), middle);
  }
}
