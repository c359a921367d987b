/** The navigation: its lesser views are a menu where there is little room. */

import { byId } from "./dom.js";

export function foldRail() {
  const more = byId("more-views");
  const narrow = matchMedia("(max-width: 700px)");
  const fit = () => {
    if (narrow.matches) more.setAttribute("popover", "auto");
    else more.removeAttribute("popover");
  };
  narrow.addEventListener("change", fit);
  more.addEventListener("click", (event) => event.target.closest("a") && more.popover && more.hidePopover());
  fit();
}
