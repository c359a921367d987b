/** Says the texts of the page's frame in the language of the messages. */

import { LANGUAGE } from "./messages.js";
import { FRAME } from "./messages_frame.js";

const ATTRIBUTES = ["aria-label", "title", "placeholder", "alt", "content"];

/** Puts a translation in the place of each text of the frame that has one. */
export function sayFrame() {
  document.documentElement.lang = LANGUAGE;
  const texts = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const said = translated(node.data);
    if (said) node.data = said;
  }
  for (const name of ATTRIBUTES)
    for (const element of document.querySelectorAll(`[${name}]`)) {
      const said = translated(element.getAttribute(name));
      if (said) element.setAttribute(name, said);
    }
}

function translated(text) {
  const plain = text.trim().replace(/\s+/g, " ");
  const said = FRAME[plain];
  return said && said !== plain ? said : null;
}
