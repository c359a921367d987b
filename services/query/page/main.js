/** The composition root: joins the address bar, the API and the parts of the page. */

import { AnswerView } from "./answer.js";
import { Api } from "./api.js";
import { Browse } from "./browse.js";
import { BrowseApi } from "./browse_api.js";
import { Bulk } from "./bulk.js";
import { Chips } from "./chips.js";
import { Question } from "./collection_question.js";
import { Cropper } from "./cropper.js";
import { byId } from "./dom.js";
import { Filters } from "./filters.js";
import { humane } from "./errors.js";
import { sayFrame } from "./frame_texts.js";
import { HitScope } from "./hit_scope.js";
import { HitView } from "./hit_view.js";
import { KeyForm } from "./key_form.js";
import { foldRail } from "./rail.js";
import { Router } from "./router.js";
import { Paused } from "./paused.js";
import { PictureInput } from "./picture_input.js";
import { goingTo } from "./place_offer.js";
import { by, part, withPart, withoutPart } from "./query.js";
import { Results } from "./results.js";
import { SearchForm } from "./search_form.js";
import { Selection } from "./selection.js";
import { SelectionBar } from "./selection_bar.js";
import { Shortcuts } from "./shortcuts.js";
import { Sources } from "./sources.js";
import { Store } from "./state.js";
import { ThumbnailQueue } from "./thumbnail_queue.js";
import { announce, titleOf } from "./title.js";
import { Toast } from "./toast.js";
import { DONE, SELECTION } from "./messages.js";
import { PARTS } from "./messages_search.js";

sayFrame();
const keyForm = new KeyForm(byId("key"));
const api = new Api((wrong) => keyForm.ask(wrong));
const store = new Store();
const sources = new Sources(api, () => store.changed(store.current));
const cropper = new Cropper(byId("crop"));
const router = new Router(store, api, sources);
const paused = new Paused(byId("paused"));
/** The part whose picture is being chosen again, as it's no longer kept. */
let lost = null;

const query = () => store.current.query;
const go = (wanted) => router.go(wanted);

const form = new SearchForm(byId("search"), api, {
  onTerm: (term, weight) => go(withPart(query(), part("term", term, weight))),
  onPlace: (place) => go(goingTo(query(), place)),
  onExact: (exact) => go({ ...query(), exact }),
  onLast: () => query().parts.length && go(withoutPart(query(), query().parts.at(-1))),
});
const pictures = new PictureInput([byId("file"), byId("camera")], byId("drop"), {
  onPicture: take,
  onRefused: (sentence) => announce(sentence, true),
});
const selection = new Selection();
const results = new Results(byId("results"), api, {
  isChosen: (id) => selection.has(id),
  onMore: () => router.loadMore(),
  onRetry: () => router.retry(),
  onCrop: crop,
  onExact: () => go({ ...query(), exact: true }),
  onUnfiltered: () => go({ ...by(query().parts, query()), likely: query().likely }),
  onAll: () => go({ ...query(), likely: false }),
  onChooseAgain: (upload) => {
    lost = query().parts.find(({ value }) => value === upload);
    byId("file").click();
  },
});
const browseApi = new BrowseApi(api);
const toast = new Toast(byId("undo"));
const question = new Question(byId("question"));
const thumbnails = new ThumbnailQueue(api);
const say = (sentence, undo) => {
  toast.show(sentence, undo);
  announce(sentence);
};
const ask = (...told) => question.ask(...told);
const bulk = new Bulk(api, browseApi, {
  say,
  ask,
  views: {
    removed(ids) {
      for (const id of ids) store.hidden.add(id);
      selection.drop(ids);
      browse.removed(ids);
      store.changed(store.current);
    },
    back(ids) {
      for (const id of ids) store.hidden.delete(id);
      store.changed(store.current);
      router.loadStats();
      return browse.refresh();
    },
    restored(ids) {
      for (const id of ids) store.hidden.delete(id);
      browse.removed(ids);
    },
    /** Any picture may be another by now. */
    reload() {
      store.hidden.clear();
      router.loadStats();
      if (store.current.status === "idle") return browse.reload();
      go(query(), true);
    },
    retagged(ids) {
      browse.retagged(ids);
      results.renew(ids);
      hitView.renew();
    },
  },
});
const selectionBar = new SelectionBar(byId("selection-bar"), byId("bulk"), selection, bulk, api);
const browse = new Browse(byId("results"), {
  api, browse: browseApi, thumbnails, selection, bulk, say, ask, go, dialog: byId("bulk"),
  onKnown() {
    const around = hitView.hit && browse.around(hitView.hit.id)?.around;
    if (around) hitView.place(around);
  },
});
const hitView = new HitView(byId("hit"), api, sources, {
  onMove: (id) => router.open(id),
  onClose: () => router.close(),
  onLike: (hit) => go(by([part("image", hit.id)], query())),
  onExclude: (hit) => go(withPart(query(), part("image", hit.id, -1))),
  async onDelete(hit, around) {
    const next = around.next ?? around.previous;
    if (!(await bulk.remove([hit]))) return;
    if (next && byId("hit").open) router.open(next);
    else router.close();
  },
  onFavourite: (hit) => bulk.favourite([hit]),
  onShare: async (hit) => {
    const link = new URL(`?open=${encodeURIComponent(hit.id)}`, document.baseURI).href;
    try {
      // There is no clipboard over plain HTTP.
      await navigator.clipboard.writeText(link);
      say(DONE.linkCopied);
    } catch {
      toast.show(DONE.link, null, link);
      announce(link);
    }
  },
  onRetagged(hit, tags, undo) {
    bulk.retagged(hit, tags, undo);
    store.changed(store.current);
    router.loadStats();
  },
});
const views = [
  form,
  new Chips(byId("parts"), api, sources, {
    onSign: (one) => go(withoutPart(query(), one, { ...one, weight: -one.weight })),
    onCrop: crop,
    onRemove: (one) => go(withoutPart(query(), one)),
  }),
  new AnswerView(byId("answer"), sources, api),
  new Filters(byId("filters"), browseApi, { onChange: go, onMoved: () => browse.moved() }),
  browse,
  // After it, as it clears the board when it leaves.
  results,
];

let scoped = null;
store.subscribe((search) => {
  // A view of the collection says itself what can be chosen in it, where there is anything.
  if (scoped !== search) selection.scope(search.status === "idle" ? null : new HitScope(search, browseApi));
  scoped = search;
  document.title = titleOf(search, sources);
  selectionBar.trash = search.status === "idle" && search.query.view === "trash";
  byId("advanced").hidden = search.status === "idle";
  for (const view of views) view.render(search);
  if (search.error?.status === 503) paused.look();
});
router.onOpen = (hit, around) => hitView.show(hit, store.current, around);
router.onClosed = (id) => {
  hitView.close();
  if (!id) return;
  if (store.current.status === "idle") browse.focus(id);
  else results.focus(id);
};

/** Searches by a picture, beside what is searched by already. */
async function take(file) {
  const replaced = lost;
  lost = null;
  byId("search").classList.add("sending");
  announce(PARTS.sending);
  try {
    const value = await sources.keep(file);
    if (replaced) go(withoutPart(query(), replaced, { ...replaced, value }));
    else go(withPart(query(), part("upload", value)));
  } catch (error) {
    announce(humane(error).sentence, true);
  } finally {
    byId("search").classList.remove("sending");
  }
}

/** Has the part of a picture chosen that counts. An indexed picture is cropped as an upload. */
async function crop(one) {
  try {
    const blob = await sources.blobOf(one);
    const chosen = await cropper.ask(blob, one.crop);
    if (chosen === undefined || (chosen === null && !one.crop)) return;
    const value = one.kind === "image" ? await sources.keep(blob) : one.value;
    go(withoutPart(query(), one, { ...one, kind: "upload", value, crop: chosen }));
  } catch (error) {
    announce(humane(error).sentence, true);
  }
}

function tellConnection() {
  byId("offline").hidden = navigator.onLine;
}

window.addEventListener("offline", tellConnection);
window.addEventListener("online", () => {
  tellConnection();
  if (store.current.error?.offline) router.retry();
});

/** The picture that a key is meant for: the open one, the chosen ones, or the one with the focus. */
function meant(id) {
  if (hitView.hit) return [hitView.hit];
  if (selection.size) return selection.images;
  const image = id && (browse.image(id) ?? store.current.shown.find((hit) => hit.id === id));
  return image ? [image] : [];
}

const shortcuts = new Shortcuts(byId("help"), {
  search() {
    if (hitView.hit) return false;
    byId("term").focus();
  },
  select(id) {
    if (id && !hitView.hit) selection.toggle(id);
  },
  favourite(id) {
    if (selection.whole && !hitView.hit) return void bulk.whole.favourite(selection.whole);
    const images = meant(id);
    if (images.length && !selectionBar.trash) bulk.favourite(images);
  },
  remove(id) {
    if (selectionBar.trash) return;
    if (hitView.hit) return hitView.remove();
    if (selection.whole) {
      bulk.whole.remove(selection.whole).then((gone) => gone && selection.clear());
      return;
    }
    const images = meant(id);
    if (images.length) bulk.remove(images).then((gone) => gone && selection.clear());
  },
  undo: () => toast.undo(),
  // Not async: where there is nothing to choose, the browser selects the text.
  all() {
    if (hitView.hit || !selection.scoped) return false;
    selection.all().then(
      (whole) => whole || say(SELECTION.bounded(selection.size)),
      (error) => say(humane(error).sentence),
    );
  },
  escape() {
    if (hitView.hit || !selection.size) return false;
    selection.clear();
  },
});
byId("help-button").addEventListener("click", () => shortcuts.help());
selection.listen(byId("results"));
selection.subscribe(() => results.mark());
foldRail();
router.browse = browse;
router.results = results;

tellConnection();
paused.look();
pictures.listen();
router.start();
