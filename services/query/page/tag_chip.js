/** A tag that leads to its images. */

import { hrefOf } from "./address.js";
import { el } from "./dom.js";
import { by, part } from "./query.js";

export function tagChip(tag, query, attributes = {}, ...more) {
  return el(
    "a",
    {
      class: "chip",
      href: hrefOf(by([part("term", tag)], query)),
      "data-search": true,
      ...attributes,
    },
    tag,
    ...more,
  );
}
