/** The composition root: joins the address bar, the API and the parts of the page. */

import { AnswerView } from "./answer.js";
import { Api } from "./api.js";
import { Chips } from "./chips.js";
import { Cropper } from "./cropper.js";
import { byId } from "./dom.js";
import { Filters } from "./filters.js";
import { HitView } from "./hit_view.js";
import { KeyForm } from "./key_form.js";
import { Router } from "./router.js";
import { Paused } from "./paused.js";
import { PictureInput } from "./picture_input.js";
import { by, part, withPart, withoutPart } from "./query.js";
import { Removal } from "./removal.js";
import { Results } from "./results.js";
import { SearchForm } from "./search_form.js";
import { Sources } from "./sources.js";
import { Store } from "./state.js";
import { announce, titleOf } from "./title.js";
import { Welcome } from "./welcome.js";
import { nameOf } from "./words.js";

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
  onExact: (exact) => go({ ...query(), exact }),
  onLast: () => query().parts.length && go(withoutPart(query(), query().parts.at(-1))),
});
const pictures = new PictureInput([byId("file"), byId("camera")], byId("drop"), {
  onPicture: take,
  onRefused: (sentence) => announce(sentence, true),
});
const results = new Results(byId("results"), api, {
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
const removal = new Removal(byId("undo"), api, {
  onBack: (hit, error) => {
    store.hidden.delete(hit.id);
    store.changed(store.current);
    announce(error ? `${nameOf(hit)} was not deleted. ${error.message}` : `${nameOf(hit)} is back.`, true);
  },
  onGone: () => router.loadStats(),
});
const hitView = new HitView(byId("hit"), api, sources, {
  onMove: (id) => router.open(id),
  onClose: () => router.close(),
  onLike: (hit) => go(by([part("image", hit.id)], query())),
  onExclude: (hit) => go(withPart(query(), part("image", hit.id, -1))),
  onDelete: (hit) => {
    store.hidden.add(hit.id);
    router.close();
    store.changed(store.current);
    removal.later(hit, nameOf(hit));
    announce(`Deleted ${nameOf(hit)}. You can undo this for a few seconds.`);
  },
  onRetagged: (hit, tags) => {
    hit.tags = tags;
    store.changed(store.current);
    router.loadStats();
    announce(`The tags of ${nameOf(hit)} are saved.`);
  },
});
const views = [
  form,
  new Chips(byId("parts"), api, sources, {
    onSign: (one) => go(withoutPart(query(), one, { ...one, weight: -one.weight })),
    onCrop: crop,
    onRemove: (one) => go(withoutPart(query(), one)),
  }),
  new AnswerView(byId("answer"), sources),
  new Filters(byId("filters"), go),
  results,
  new Welcome(
    { words: byId("welcome-words"), collection: byId("collection"), board: byId("results") },
    api,
    () => router.stats,
  ),
];

store.subscribe((search) => {
  document.title = titleOf(search, sources);
  for (const view of views) view.render(search);
  if (search.error?.status === 503) paused.look();
});
router.onOpen = (hit, around) => hitView.show(hit, store.current, around);
router.onClosed = (id) => {
  hitView.close();
  if (id) results.focus(id);
};

/** Searches by a picture, beside what is searched by already. */
async function take(file) {
  const replaced = lost;
  lost = null;
  byId("search").classList.add("sending");
  announce("Sending the picture");
  try {
    const value = await sources.keep(file);
    if (replaced) go(withoutPart(query(), replaced, { ...replaced, value }));
    else go(withPart(query(), part("upload", value)));
  } catch (error) {
    announce(`${error.title}. ${error.message}`, true);
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
    announce(`${error.title ?? "The picture can't be cropped"}. ${error.message}`, true);
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

tellConnection();
paused.look();
pictures.listen();
router.start();
