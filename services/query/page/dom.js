/** Making elements. Text goes in as text nodes: what comes from the server is never markup. */

const SVG = "http://www.w3.org/2000/svg";

/** An element; a function among `attributes` listens to the event of its name, null is left out. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(key, value);
    }
  }
  fill(element, ...children);
  return element;
}

/** Gives an element these children, less those that are null or false. */
export function fill(element, ...children) {
  const given = children.filter((one) => one !== null && one !== undefined && one !== false);
  element.replaceChildren(...given);
}

/** One of the symbols in `frame_icons.html`. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function byId(id) {
  return document.getElementById(id);
}
