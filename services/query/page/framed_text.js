/** Frames over a picture around the words that a search found in it. */

import { el } from "./dom.js";
import { LARGE } from "./messages.js";

const SVG = "http://www.w3.org/2000/svg";

/** Lays the frames of a hit's words over the figure that holds its whole picture. */
export function withFrames(figure, hit) {
  if (!hit.text?.length) return figure;
  const frames = document.createElementNS(SVG, "svg");
  frames.setAttribute("class", "text-frames");
  frames.setAttribute("viewBox", "0 0 1 1");
  frames.setAttribute("preserveAspectRatio", "none");
  frames.setAttribute("role", "img");
  frames.setAttribute("aria-label", LARGE.textFramed(words(hit)));
  for (const { text, box } of hit.text) {
    const frame = document.createElementNS(SVG, "polygon");
    frame.setAttribute("points", box.map((corner) => corner.join(",")).join(" "));
    const title = document.createElementNS(SVG, "title");
    title.textContent = text;
    frame.append(title);
    frames.append(frame);
  }
  figure.append(frames);
  return figure;
}

/** The words of a hit as a paragraph; null where there are none. */
export function textOf(hit) {
  return hit.text?.length ? el("p", { class: "read-text" }, words(hit)) : null;
}

function words(hit) {
  return hit.text.map(({ text }) => text).join(" ");
}
