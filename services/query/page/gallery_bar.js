/** Above the pictures: how many there are, and in which order. */

import { hrefOf } from "./address.js";
import { el, fill, icon } from "./dom.js";
import { FOLDERS, GALLERY, VIEWS } from "./messages.js";
import { look } from "./query.js";

export class GalleryBar {
  constructor(bar, go) {
    this.bar = bar;
    this.go = go;
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
    const select = this.bar.querySelector("select");
    if (select && search?.sort) select.value = search.sort;
  }

  #order(query) {
    const select = el(
      "select",
      { "aria-label": GALLERY.order, change: () => this.go({ ...query, sort: select.value }) },
      el("option", { value: "taken" }, GALLERY.byTaken),
      el("option", { value: "added" }, GALLERY.byAdded),
      el("option", { value: "name" }, GALLERY.byName),
    );
    if (query.sort) select.value = query.sort;
    return el("label", { class: "order" }, select);
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
