/** A dialog to choose the part of a picture that counts, by pointer or by keyboard. */

import { el } from "./dom.js";
import { CROP } from "./messages_search.js";

const STEP = 0.02;
const LEAST = 0.05;
const CORNERS = ["nw", "ne", "sw", "se"];
const WHOLE = { x: 0, y: 0, width: 1, height: 1 };

export class Cropper {
  #box = WHOLE;
  #stage = null;

  constructor(dialog) {
    this.dialog = dialog;
  }

  /** Resolves to a crop, to null for the whole picture, and to undefined when it's dismissed. */
  ask(blob, crop) {
    const url = URL.createObjectURL(blob);
    const box = el(
      "div",
      {
        class: "crop-box",
        tabindex: 0,
        role: "application",
        "aria-roledescription": CROP.box,
        "aria-describedby": "crop-help",
        keydown: (event) => this.#key(event),
        pointerdown: (event) => this.#grab(event),
      },
      ...CORNERS.map((corner) => el("span", { class: `corner ${corner}`, "data-corner": corner })),
    );
    this.#stage = el(
      "div",
      { class: "crop-stage" },
      el("img", { src: url, alt: CROP.picture, draggable: "false" }),
      box,
    );
    let answer;
    const leave = (given) => {
      answer = given;
      this.dialog.close();
    };
    this.dialog.replaceChildren(
      el("h2", { id: "crop-title" }, CROP.title),
      el(
        "p",
        { id: "crop-help" },
        CROP.words,
      ),
      this.#stage,
      el(
        "div",
        { class: "buttons" },
        el("button", { type: "button", class: "quiet", click: () => leave(null) }, CROP.whole),
        el(
          "button",
          { type: "button", class: "submit", click: () => leave(this.#chosen()) },
          CROP.use,
        ),
      ),
    );
    this.#put(crop ?? { x: 0.15, y: 0.15, width: 0.7, height: 0.7 });
    this.dialog.showModal();
    box.focus();
    return new Promise((resolve) => {
      this.dialog.addEventListener(
        "close",
        () => {
          URL.revokeObjectURL(url);
          resolve(answer);
        },
        { once: true },
      );
    });
  }

  #chosen() {
    const { x, y, width, height } = this.#box;
    return width > 0.995 && height > 0.995 ? null : { x, y, width, height };
  }

  #put({ x, y, width, height }) {
    const size = (side) => Math.min(1, Math.max(LEAST, side));
    const box = { width: size(width), height: size(height) };
    box.x = Math.min(1 - box.width, Math.max(0, x));
    box.y = Math.min(1 - box.height, Math.max(0, y));
    // Rounded down, so that a box at the edge stays within the picture.
    for (const [name, value] of Object.entries(box)) box[name] = Math.floor(value * 1e4) / 1e4;
    this.#box = box;
    const shown = this.#stage.querySelector(".crop-box");
    for (const [name, side] of Object.entries({ left: "x", top: "y", width: "width", height: "height" }))
      shown.style[name] = `${box[side] * 100}%`;
    const whole = (share) => Math.round(share * 100);
    shown.setAttribute(
      "aria-label",
      CROP.place(whole(box.x), whole(box.y), whole(box.width), whole(box.height)),
    );
  }

  #key(event) {
    const [dx, dy] =
      { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ??
      [];
    if (dx === undefined) return;
    event.preventDefault();
    const { x, y, width, height } = this.#box;
    if (event.shiftKey)
      this.#put({ x, y, width: width + dx * STEP, height: height + dy * STEP });
    else this.#put({ x: x + dx * STEP, y: y + dy * STEP, width, height });
  }

  #grab(event) {
    event.preventDefault();
    const box = event.currentTarget;
    const corner = event.target.dataset.corner;
    const start = { ...this.#box, at: this.#place(event) };
    box.focus();
    box.setPointerCapture(event.pointerId);
    const move = (moved) => {
      const at = this.#place(moved);
      const [dx, dy] = [at.x - start.at.x, at.y - start.at.y];
      this.#put(corner ? stretched(start, corner, dx, dy) : { ...start, x: start.x + dx, y: start.y + dy });
    };
    box.addEventListener("pointermove", move);
    const end = () => box.removeEventListener("pointermove", move);
    box.addEventListener("pointerup", end, { once: true });
    box.addEventListener("pointercancel", end, { once: true });
  }

  /** Where the pointer is, in fractions of the picture. */
  #place({ clientX, clientY }) {
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    return { x: (clientX - left) / width, y: (clientY - top) / height };
  }
}

/** A box with one of its corners moved; the opposite one stays. */
function stretched({ x, y, width, height }, corner, dx, dy) {
  const [right, bottom] = [x + width, y + height];
  const left = corner.endsWith("w") ? clamp(x + dx, 0, right - LEAST) : x;
  const top = corner.startsWith("n") ? clamp(y + dy, 0, bottom - LEAST) : y;
  const east = corner.endsWith("e") ? clamp(right + dx, left + LEAST, 1) : right;
  const south = corner.startsWith("s") ? clamp(bottom + dy, top + LEAST, 1) : bottom;
  return { x: left, y: top, width: east - left, height: south - top };
}

function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}
