/** The composition root: joins the address bar, the API and the parts of the page. */

import * as address from "./address.js";
import { AnswerView } from "./answer.js";
import { Api } from "./api.js";
import { byId } from "./dom.js";
import { KeyForm } from "./key_form.js";
import { PictureInput } from "./picture_input.js";
import { Results } from "./results.js";
import { SearchForm } from "./search_form.js";
import { Search, Store } from "./state.js";
import { announce, titleOf } from "./title.js";
import { Welcome } from "./welcome.js";

const PAGE_SIZE = 30;

const keyForm = new KeyForm(byId("key"));
const api = new Api((wrong) => keyForm.ask(wrong));
const store = new Store();
let running = new AbortController();
let stats = null;

const form = new SearchForm(byId("search"), api, {
  onTerm: (term) => go({ kind: "term", term }),
  onExact: () => go(store.current.query),
});
const pictures = new PictureInput(byId("file"), byId("drop"), {
  onPicture: (file) => go({ kind: "upload", file }),
  onRefused: (sentence) => announce(sentence, true),
});
const views = [
  form,
  new AnswerView(byId("answer"), api),
  new Results(byId("results"), api, { onMore: loadMore, onRetry: retry }),
  new Welcome(
    { words: byId("welcome-words"), collection: byId("collection"), board: byId("results") },
    api,
    () => stats,
  ),
];

store.subscribe((search) => {
  document.title = titleOf(search);
  for (const view of views) view.render(search);
});

/** Starts a search as a new step of the history. */
function go(query, exact = form.exact) {
  const search = new Search(query, exact);
  history.pushState({ entry: store.keep(search) }, "", address.hrefOf(query, exact));
  window.scrollTo(0, 0);
  show(search);
  // The link that was followed is gone: the keyboard goes on where its results are.
  if (document.activeElement === document.body) byId("results").focus({ preventScroll: true });
}

/** Shows what this step of the history held: from memory, else from its address. */
function restore() {
  let search = store.recall(history.state?.entry);
  if (!search) {
    const { query, exact } = address.read(location.href);
    search = new Search(query, exact);
    history.replaceState({ entry: store.keep(search) }, "");
  }
  show(search);
}

function show(search) {
  running.abort();
  running = new AbortController();
  // A search that was left while it ran starts over.
  if (search.status === "loading-more") search.status = "ready";
  store.show(search);
  if (search.status === "idle") loadStats();
  else if (search.status === "loading") load(search);
}

async function load(search) {
  const { signal } = running;
  if (stats === null) loadStats();
  if (search.query.kind === "similar" && !search.source) loadSource(search, signal);
  try {
    const options = { limit: PAGE_SIZE };
    if (search.answer) options.cursor = search.answer.next;
    if (search.exact) options.exact = true;
    search.add(await api.search(search.query, options, signal));
    // The index has moved on since its size was asked for.
    if (stats && stats.snapshot !== search.answer.snapshot) loadStats();
  } catch (error) {
    if (error.name === "AbortError") return;
    search.fail(error);
  }
  store.changed(search);
  announce(search);
}

/** What the image is called that a `similar` search starts from; its answer does without. */
async function loadSource(search, signal) {
  try {
    search.source = await api.image(search.query.id, signal);
    store.changed(search);
  } catch {
    search.source = null;
  }
}

/** The collection's size, shown on every view; only the empty page tells when it can't be had. */
async function loadStats() {
  const search = store.current;
  try {
    stats = await api.stats();
    if (search.error && search.status === "idle") search.error = null;
  } catch (error) {
    if (search.status === "idle") search.error = error;
  }
  store.changed(store.current);
}

function loadMore() {
  const search = store.current;
  search.error = null;
  search.status = "loading-more";
  store.changed(search);
  load(search);
}

function retry() {
  const search = store.current;
  if (search.hits.length) return loadMore();
  search.error = null;
  search.status = search.query.kind === "none" ? "idle" : "loading";
  show(search);
}

// Links to searches are real links, so they open in new tabs too; a plain click stays on the page.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-search]");
  if (
    !link ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return;
  event.preventDefault();
  const { query, exact } = address.read(link.href);
  go(query, exact);
});
window.addEventListener("popstate", restore);
window.addEventListener("online", () => {
  if (store.current.error?.offline) retry();
});

pictures.listen();
restore();
