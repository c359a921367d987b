/** Above the pictures: how many there are, and in which order. */

import { hrefOf } from "./address.js";
import { el, fill, icon } from "./dom.js";
import { FOLDERS, GALLERY, VIEWS } from "./messages.js";
import { look } from "./query.js";

export class GalleryBar {
  constructor(bar) {
    this.bar = bar;
  }

  show({ query }) {
    this.bar.hidden = false;
    this.count = el("span", { class: "total", role: "status" });
    const ordered = query.view === "photos" || query.view === "favourites" || query.folder;
    fill(this.bar, ...(query.folder ? crumbs(query.folder) : [el("h1", { class: "view-title" }, VIEWS[query.view])]), this.count, ordered && this.#order(query));
  }

  hide() {
    this.bar.hidden = true;
    this.bar.replaceChildren();
  }

  total(search, total) {
    if (this.count) this.count.textContent = total ? GALLERY.total(total) : "";
    for (const link of this.bar.querySelectorAll("[data-sort]"))
      if (link.dataset.sort === search?.sort) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
  }

  /** The orders as links: each has its address. */
  #order(query) {
    const orders = { taken: GALLERY.byTaken, added: GALLERY.byAdded, name: GALLERY.byName };
    return el(
      "div",
      { class: "segments", role: "group", "aria-label": GALLERY.order },
      ...Object.entries(orders).map(([sort, words]) =>
        el("a", { href: hrefOf({ ...query, sort }), "data-search": true, "data-sort": sort }, words),
      ),
    );
  }
}

/** The way to a folder, each step a link. */
export function crumbs(folder) {
  const steps = folder.split("/");
  const link = (words, to) => el("a", { href: hrefOf(look("folders", { folder: to })), "data-search": true }, words);
  return [
    el(
      "nav",
      { class: "crumbs", "aria-label": FOLDERS.path },
      link(FOLDERS.all, ""),
      ...steps.flatMap((step, at) => {
        const last = at === steps.length - 1;
        return [icon("right"), last ? el("h1", {}, step) : link(step, steps.slice(0, at + 1).join("/"))];
      }),
    ),
  ];
}
