/** The views of the collection that need no search: photos, the map, tags, folders, duplicates, the trash. */

import { AUDITS, AuditView } from "./audit_view.js";
import { byId, fill } from "./dom.js";
import { firstSteps } from "./browse_states.js";
import { Gallery } from "./gallery.js";
import { viewFilter } from "./gallery_query.js";
import { GalleryBar } from "./gallery_bar.js";
import { DuplicatesView } from "./duplicates_view.js";
import { FoldersView } from "./folders_view.js";
import { JudgeView } from "./judge_view.js";
import { LabelsView } from "./labels_view.js";
import { MapView } from "./map_view.js";
import { TagsView } from "./tags_view.js";
import { TrashView } from "./trash_view.js";

export class Browse {
  #view = null;
  #search = null;

  /** `shared`: {api, browse, thumbnails, selection, bulk, ask, say, go}. */
  constructor(board, shared) {
    this.board = board;
    this.bar = new GalleryBar(byId("gallery-bar"));
    const actions = { onEmpty: firstSteps, onTotal: (total) => this.#total(total), onKnown: () => shared.onKnown() };
    const audit = new AuditView(board, shared);
    const gallery = new Gallery(board, { ...shared, actions });
    this.views = {
      photos: gallery,
      favourites: gallery,
      map: new MapView(board, { ...shared, actions }),
      tags: new TagsView(board, shared),
      labels: new LabelsView(board, shared),
      "wrong-tags": audit,
      "missing-tags": audit,
      judge: new JudgeView(board, shared),
      folders: new FoldersView(board, shared, gallery),
      duplicates: new DuplicatesView(board, shared),
      trash: new TrashView(board, shared),
    };
    this.selection = shared.selection;
  }

  render(search) {
    const idle = search.status === "idle" && search.query.parts.length === 0;
    document.body.classList.toggle("browsing", idle);
    mark(idle ? search.query.view : null);
    if (!idle) return this.#leave();
    if (search === this.#search) return;
    const view = this.views[search.query.view];
    if (view !== this.#view) this.#leave();
    this.#search = search;
    this.#view = view;
    this.bar.show(search);
    view.show(search);
  }

  around(id) {
    return this.#view?.around?.(id) ?? null;
  }

  image(id) {
    return this.#view?.image?.(id) ?? null;
  }

  anchor() {
    return this.#view?.anchor?.() ?? null;
  }

  focus(id) {
    this.#view?.focus?.(id);
  }

  removed(ids) {
    this.#view?.removed?.(ids);
  }

  retagged(ids) {
    this.#view?.retagged?.(ids);
  }

  /** What lies above the pictures became higher or lower. */
  moved() {
    this.#view?.moved?.();
  }

  /** Any picture may be another by now. */
  reload() {
    return this.#view?.reload ? this.#view.reload() : this.refresh();
  }

  /** Something came back or was added: what is shown is counted anew. */
  refresh() {
    return this.#view?.refresh?.();
  }

  /** Where there is no picture at all, nothing can be ordered or filtered. */
  #total(total) {
    this.bar.total(this.#search, total);
    const { query } = this.#search;
    document.body.classList.toggle("bare", total === 0 && query.view === "photos" && !viewFilter(query));
  }

  #leave() {
    document.body.classList.remove("bare");
    if (!this.#view) return;
    this.#view.hide();
    this.#view = this.#search = null;
    this.bar.hide();
    this.selection.clear();
    fill(this.board);
  }
}

/** Says which view is shown, in the navigation; labels, checks of tags and of searches belong to tags. */
function mark(shown) {
  const view = shown in AUDITS || ["labels", "judge"].includes(shown) ? "tags" : shown;
  for (const link of document.querySelectorAll("[data-view]"))
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
}
