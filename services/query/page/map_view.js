/** Where pictures were taken: a map that is drawn here, with a picture for each place. */

import { hrefOf } from "./address.js";
import { failedState, statement, waitingState } from "./browse_states.js";
import { el, fill, icon } from "./dom.js";
import { viewFilter } from "./gallery_query.js";
import { MapFrame } from "./map_frame.js";
import { MAP } from "./messages.js";
import { look } from "./query.js";

/** Pictures so near each other, in pixels, are one place. */
const NEAR = 84;
const WORLD_CELLS = 3;
/** From this size of cells on only those near the screen are asked for. */
const FINE_CELLS = 6;
const PAN = 90;
const SVG = "http://www.w3.org/2000/svg";
const PAUSE_MS = 120;

export class MapView {
  #running = new AbortController();
  #search = null;
  #asked = null;
  #cells = [];
  #places = new Map();
  #timer = 0;

  constructor(board, { browse, thumbnails, actions }) {
    this.board = board;
    this.browse = browse;
    this.thumbnails = thumbnails;
    this.actions = actions;
    this.resized = new ResizeObserver(([{ contentRect: box }]) => box.width && this.frame.resize(box.width, box.height));
  }

  async show(search) {
    this.hide();
    this.#search = search;
    const { signal } = (this.#running = new AbortController());
    fill(this.board, waitingState());
    try {
      // The outline is of some size, and not everyone looks at the map.
      this.outline ??= await import("./map_projection.js");
      const [found, facets] = await Promise.all([
        this.browse.map(cellOf(WORLD_CELLS), viewFilter(search.query), signal),
        this.browse.facets(viewFilter(search.query), signal),
      ]);
      if (signal.aborted) return;
      this.actions.onTotal(found.placed);
      if (!found.placed) return fill(this.board, statement(search.query.filter.must.length ? MAP.noneFiltered : MAP.empty));
      this.#draw(facets);
      this.#asked = { level: WORLD_CELLS, bounds: null };
      this.#cells = found.cells;
      if (search.map) Object.assign(this.frame, search.map);
      this.resized.observe(this.canvas);
      this.frame.resize(this.canvas.clientWidth, this.canvas.clientHeight);
      if (!search.map) this.frame.fit(found.cells.map((cell) => this.#point(cell)));
      this.#drawPlaces();
      if (search.top) window.scrollTo(0, search.top);
    } catch (error) {
      if (error.name !== "AbortError") fill(this.board, failedState(error, () => this.show(search)));
    }
  }

  hide() {
    this.#running.abort();
    clearTimeout(this.#timer);
    this.resized.disconnect();
    for (const one of this.#places.values()) this.thumbnails.drop(one.querySelector("img"));
    this.#places.clear();
    this.#search = this.#asked = null;
    this.#cells = [];
  }

  refresh() {
    return this.#search && this.show(this.#search);
  }

  #draw(facets) {
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("class", "map-world");
    this.svg.setAttribute("aria-hidden", "true");
    this.svg.setAttribute("preserveAspectRatio", "none");
    for (const [name, path] of [["land", this.outline.landPath()], ["borders", this.outline.borderPath()]]) {
      for (const round of [-1, 0, 1]) {
        const element = document.createElementNS(SVG, "path");
        element.setAttribute("class", `map-${name}`);
        element.setAttribute("d", path);
        element.setAttribute("transform", `translate(${round * this.outline.UNITS})`);
        this.svg.append(element);
      }
    }
    this.layer = el("ul", { class: "map-places", "aria-label": MAP.places });
    this.canvas = el("div", { class: "map", role: "group", "aria-label": MAP.label, keydown: (event) => this.#key(event) }, this.layer);
    this.canvas.prepend(this.svg);
    this.frame = new MapFrame(this.canvas, () => this.#moved());
    const button = (words, symbol, click) =>
      el("button", { type: "button", class: "round", "aria-label": words, title: words, click }, icon(symbol));
    const tools = el(
      "div",
      { class: "map-tools" },
      button(MAP.nearer, "plus", () => this.frame.nearer()),
      button(MAP.farther, "minus", () => this.frame.farther()),
      button(MAP.whole, "full", () => this.frame.whole()),
    );
    fill(
      this.board,
      el("div", { class: "map-frame" }, this.canvas, tools),
      el("p", { class: "soft map-keys" }, MAP.keys),
      this.#names(MAP.countries, "file.country", facets.countries),
      this.#names(MAP.cities, "file.city", facets.cities),
      el("p", { class: "soft map-credits" }, MAP.credits),
    );
  }

  /** The places by name, as links to their pictures. */
  #names(title, key, values) {
    if (!values.length) return null;
    return el(
      "section",
      { class: "map-names" },
      el("h2", {}, title),
      el(
        "ul",
        { class: "tags" },
        ...values.map(({ value, count }) =>
          el(
            "li",
            {},
            el(
              "a",
              { class: "chip large-chip", href: this.#pictures([{ key, match: value }]), "data-search": true },
              value,
              el("span", { class: "count" }, String(count)),
            ),
          ),
        ),
      ),
    );
  }

  /** The address of the pictures that meet more conditions. */
  #pictures(conditions) {
    const { filter } = this.#search.query;
    return hrefOf(look("photos", { filter: { ...filter, must: [...filter.must, ...conditions] } }));
  }

  #point({ latitude, longitude }) {
    return [this.outline.across(Number(longitude)), this.outline.down(Number(latitude))];
  }

  #moved() {
    const { seen, side } = this.frame;
    const { UNITS } = this.outline;
    const box = [seen.left, seen.top, seen.right - seen.left, seen.bottom - seen.top];
    this.svg.setAttribute("viewBox", box.map((part) => part * UNITS).join(" "));
    this.svg.style.setProperty("--line", UNITS / side);
    if (this.#search) this.#search.map = { x: this.frame.x, y: this.frame.y, side };
    this.#drawPlaces();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), PAUSE_MS);
  }

  /** Asks for the places of another size of cells, or of another part of the world. */
  async #ask() {
    if (!this.#search) return;
    const { signal } = this.#running;
    const level = Math.max(1, Math.min(17, Math.round(Math.log2((90 * this.frame.side) / 360 / NEAR))));
    const bounds = level >= FINE_CELLS ? this.#bounds() : null;
    if (this.#asked?.level === level && isWithin(bounds, this.#asked.bounds)) return;
    const asked = (this.#asked = { level, bounds: bounds && wider(bounds) });
    try {
      const filter = viewFilter(this.#search.query) ?? { must: [] };
      const area = asked.bounds ? [areaOf(asked.bounds)] : [];
      const wanted = { ...filter, must: [...filter.must, ...area] };
      const found = await this.browse.map(cellOf(level), wanted.must.length ? wanted : viewFilter(this.#search.query), signal);
      if (asked !== this.#asked) return;
      this.#cells = found.cells;
      this.#drawPlaces();
    } catch {
      // What is shown stays; the next move asks again.
      if (asked === this.#asked) this.#asked = null;
    }
  }

  #bounds() {
    const { left, right, top, bottom } = this.frame.seen;
    const { latitudeAt, longitudeAt } = this.outline;
    return { west: longitudeAt(left), east: longitudeAt(right), north: latitudeAt(top), south: latitudeAt(bottom) };
  }

  /** From west to east, which is how the keyboard goes through them. */
  #drawPlaces() {
    const { width, height } = this.frame;
    const near = new Map();
    for (const cell of [...this.#cells].sort((a, b) => a.longitude - b.longitude)) {
      const [x, y] = this.frame.pixels(...this.#point(cell));
      if (x > -40 && y > -40 && x < width + 40 && y < height + 40) near.set(keyOf(cell), { cell, x, y });
    }
    for (const [key, element] of this.#places) {
      if (near.has(key)) continue;
      this.thumbnails.drop(element.querySelector("img"));
      element.remove();
      this.#places.delete(key);
    }
    let before = null;
    for (const [key, { cell, x, y }] of near) {
      let element = this.#places.get(key);
      if (!element) this.#places.set(key, (element = this.#place(cell)));
      element.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
      const next = before ? before.nextSibling : this.layer.firstChild;
      if (element !== next) this.layer.insertBefore(element, next);
      before = element;
    }
    const links = [...this.layer.querySelectorAll("a")];
    const current = links.find((link) => link === document.activeElement) ?? links.find((link) => link.tabIndex === 0) ?? links[0];
    for (const link of links) link.tabIndex = link === current ? 0 : -1;
  }

  #place(cell) {
    const name = [cell.city, cell.country].filter(Boolean).join(", ") || MAP.unnamed;
    const img = el("img", { alt: "", decoding: "async", draggable: "false" });
    const link = el(
      "a",
      { href: this.#pictures([areaOf(cell)]), "data-search": true, "aria-label": MAP.place(name, Number(cell.count)), title: name, tabindex: -1 },
      img,
      el("span", { class: "count", "aria-hidden": "true" }, MAP.count(Number(cell.count))),
    );
    this.thumbnails.add(img, cell.cover);
    return el("li", { class: "map-place" }, link);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "+" || event.key === "=") this.frame.nearer();
    else if (event.key === "-") this.frame.farther();
    else if (event.key === "0") this.frame.whole();
    else if (move && event.shiftKey) this.frame.pan(move[0] * PAN, move[1] * PAN);
    else if (move) this.#step(event.target, move);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Goes to the nearest place in a direction. */
  #step(from, [dx, dy]) {
    const middle = (link) => {
      const box = link.getBoundingClientRect();
      return [box.left + box.width / 2, box.top + box.height / 2];
    };
    const [x, y] = middle(from);
    const far = (link) => {
      const [ax, ay] = middle(link);
      const along = (ax - x) * dx + (ay - y) * dy;
      const beside = Math.abs((ax - x) * dy) + Math.abs((ay - y) * dx);
      return along > 1 ? along + 2 * beside : Infinity;
    };
    const others = [...this.layer.querySelectorAll("a")].filter((link) => link !== from && far(link) < Infinity);
    const next = others.sort((a, b) => far(a) - far(b))[0];
    if (!next) return;
    for (const link of this.layer.querySelectorAll("a")) link.tabIndex = link === next ? 0 : -1;
    next.focus({ preventScroll: true });
    const [nx, ny] = middle(next);
    const box = this.canvas.getBoundingClientRect();
    if (nx < box.left || nx > box.right || ny < box.top || ny > box.bottom)
      this.frame.pan(nx - box.left - box.width / 2, ny - box.top - box.height / 2);
  }
}

/** The pictures of an area: bounds of both coordinates, as one condition. */
export function areaOf({ south, north, west, east }) {
  return {
    must: [
      { key: "file.latitude", gte: south, lte: north },
      { key: "file.longitude", gte: west, lte: east },
    ],
  };
}

function cellOf(level) {
  return 90 / 2 ** level;
}

function keyOf({ south, north, west, east, count, cover }) {
  return [south, north, west, east, count, cover].join();
}

function isWithin(bounds, asked) {
  if (!asked) return true;
  return bounds !== null && bounds.west >= asked.west && bounds.east <= asked.east && bounds.south >= asked.south && bounds.north <= asked.north;
}

/** A screen more on each side, so that not every move asks. */
function wider({ south, north, west, east }) {
  const [w, h] = [east - west, north - south];
  return {
    south: Math.max(-90, south - h),
    north: Math.min(90, north + h),
    west: Math.max(-180, west - w),
    east: Math.min(180, east + w),
  };
}
