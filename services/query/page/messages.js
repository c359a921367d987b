/**
 * Every sentence that the page says, so that it can be translated: those of a search are in
 * `messages_search.js`, those of the view where the collection is managed in `messages_manage.js`,
 * those that stand in the HTML in `messages_frame.js`.
 *
 * A text that depends on something is a function of it. `LANGUAGE` is that of numbers and dates.
 */

export const LANGUAGE = "en";

const WHOLE = new Intl.NumberFormat(LANGUAGE);

export function number(value) {
  return WHOLE.format(value);
}

export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

export const PICTURES = (value) => count(value, "picture");

export const APP = "Image Search";

export const VIEWS = {
  photos: "Photos",
  favourites: "Favourites",
  map: "Map",
  tags: "Tags",
  labels: "What pictures show",
  "wrong-tags": "Check tags",
  "missing-tags": "Check tags",
  judge: "How right are searches?",
  folders: "Folders",
  duplicates: "Duplicates",
  trash: "Trash",
  manage: "Manage",
};

export const GALLERY = {
  label: "All pictures",
  order: "Order",
  byTaken: "Taken",
  byAdded: "Added",
  byName: "Name",
  undated: "Without a date",
  dates: "Go to a date",
  total: (value) => PICTURES(value),
  loading: "Loading pictures",
  failedMonth: "These pictures can't be shown right now.",
  open: (name, when) => (when ? `${name}, ${when}` : name),
  select: (name) => `Select ${name}`,
  selectDay: (day) => `Select ${day}`,
  noPreview: "No preview",
  emptyFavourites: ["No favourites yet", "Press f on a picture to keep it here."],
  emptyFilter: ["No pictures here", "Nothing in the collection fits."],
};

export const EMPTY = {
  title: "Your pictures go here",
  words: "Choose a folder. It is read, never changed, and your pictures stay on this machine.",
  action: "Add pictures",
  alsoDrop: "Or drop pictures on this page to search by them.",
};

export const SELECTION = {
  label: "Selected pictures",
  chosen: (value) => `${number(value)} selected`,
  clear: "Clear the selection",
  favourite: "Favourite",
  unfavourite: "Remove from favourites",
  tag: "Add tag",
  untag: "Remove tag",
  download: "Download",
  remove: "Delete",
  restore: "Restore",
  addTitle: (value) => `Add a tag to ${PICTURES(value)}`,
  removeTitle: (value) => `Remove a tag from ${PICTURES(value)}`,
  tagField: "Tag",
  add: "Add",
  cancel: "Cancel",
  commonTags: "Tags of the selected pictures",
  nothingToRemove: "The selected pictures have no tags.",
  bounded: (value) => `Only the first ${number(value)} are selected.`,
  zipName: "pictures.zip",
  favouriteAll: (value) => [`Add ${PICTURES(value)} to favourites?`, ["This can be undone."], "Add"],
  removeAll: (value) => [`Move ${PICTURES(value)} to the trash?`, ["This can be undone, and they can be restored from there."], "Move to the trash"],
  downloadAll: (value) => [`Download ${PICTURES(value)}?`, ["They come as one zip file."], "Download"],
  tooManyToDownload: (most) => `A download has at most ${PICTURES(most)}. Filter or select fewer.`,
  forGood: (value) => [
    `Delete ${PICTURES(value)} for good?`,
    ["This collection keeps no trash, so they can't be restored. Your own files are not deleted."],
    "Delete",
  ],
};

export const DONE = {
  undo: "Undo",
  dismiss: "Dismiss",
  deleted: (value) => `${PICTURES(value)} moved to the trash.`,
  deletedOne: (name) => `${name} moved to the trash.`,
  deletedForGood: (value) => `${PICTURES(value)} deleted for good.`,
  restored: (value) => `${PICTURES(value)} restored.`,
  tagged: (value, tag) => `“${tag}” added to ${PICTURES(value)}.`,
  untagged: (value, tag) => `“${tag}” removed from ${PICTURES(value)}.`,
  favourite: (value) => `${PICTURES(value)} added to favourites.`,
  unfavourite: (value) => `${PICTURES(value)} removed from favourites.`,
  renamed: (from, to) => `“${from}” is now “${to}”.`,
  retagged: (name) => `The tags of ${name} are saved.`,
  undone: "Undone.",
  linkCopied: "The link is copied.",
  link: "Link to this picture",
  emptied: "The trash is empty.",
};

export const FAILED = {
  details: "Details",
  request: (id) => `Request ${id}`,
  retry: "Try again",
  title: "This can't be shown right now",
  generic: "That didn't work. Try again in a moment.",
  offline: "The service can't be reached. It may be stopped, or this device is offline.",
  away: "Part of the service is starting or stopped. Try again in a moment.",
  busy: "The service is busy. Try again in a moment.",
  forbidden: "This key doesn't allow that.",
  unreached: "Can't reach the search service",
  unreachedWords: "It may be down, or this device is offline.",
  answered: (status) => `The server answered ${status}.`,
  search: "The search failed",
  part: "Part of the search is unavailable at the moment.",
  undo: "That can't be undone any more.",
  download: "The download failed.",
  unexpected: "Something went wrong in the service. The details may help whoever runs it.",
};

export const TAGS = {
  title: "Tags",
  find: "Find a tag",
  order: "Order of the tags",
  byCount: "Most used",
  byName: "A to Z",
  more: "Show more",
  empty: ["No tags yet", "Select pictures and add a tag, or add a folder whose sub-folders are tags."],
  none: "No tag fits.",
  rename: (tag) => `Rename ${tag}`,
  renameTitle: "Rename tag",
  renameWords: "A name that another tag has already merges the two.",
  renameField: "New name",
  renameAction: "Rename",
};

/** What pictures show, as the model names it. */
export const LABELS = {
  link: "What pictures show",
  title: "What pictures show",
  words: "Named by the model, not by you: a suggestion until you take it over as a tag.",
  find: "Find a name",
  none: "No name fits.",
  empty: ["No names yet", "The model in use doesn't name what pictures show, or hasn't looked at them yet."],
  accept: (name) => `Take over ${name} as a tag`,
  question: (name, value) => [`Tag ${PICTURES(value)} with “${name}”?`, ["Under Manage, this can be undone."], "Tag them"],
  accepted: (name) => `“${name}” is being added. Manage shows how far it is.`,
};

/** Tags to look through; what a text is of depends on the kind: `wrong` or `missing`. */
export const AUDIT = {
  link: "Check tags",
  kinds: "What to check",
  titles: { wrong: "Tags that look wrong", missing: "Tags that seem missing" },
  words: {
    wrong: "Pictures that look more like those of another tag than like the others of their own.",
    missing: "Pictures that look like those of a tag which they don't have.",
  },
  rather: (tag) => `looks more like ${tag}`,
  lacks: "looks like it, without the tag",
  action: { wrong: "Remove tag", missing: "Add tag" },
  keep: { wrong: "It's right", missing: "Not this" },
  actionOf: (kind, tag, name) => (kind === "wrong" ? `Remove tag ${tag} from ${name}` : `Add tag ${tag} to ${name}`),
  keepOf: (kind, tag, name) => (kind === "wrong" ? `It's right: ${tag} on ${name}` : `Not this: ${tag} on ${name}`),
  empty: {
    wrong: ["No tag looks wrong", "Tags are compared by what their pictures show."],
    missing: ["No tag seems missing", "Tags are compared by what their pictures show."],
  },
  done: ["All checked", "Other tags may look different now."],
  again: "Check again",
  compared: (tags, images) => `${count(tags, "tag")} of ${PICTURES(images)} compared.`,
};

export const FOLDERS = {
  title: "Folders",
  all: "All folders",
  empty: ["No folders", "Pictures that were added one by one have no folder."],
  path: "Folder path",
};

export const DUPLICATES = {
  title: "Duplicates",
  words: "Pictures that look the same. Keep the best of each group; the others go to the trash.",
  empty: ["No duplicates", "No two pictures look the same."],
  looking: "Looking for duplicates",
  more: "Look further",
  keepBest: "Keep only this",
  keepAll: "Keep all",
  group: (value) => `${number(value)} alike`,
  best: "Largest",
  alike: (share) => `${share} alike`,
  looked: (done, all) => `${number(done)} of ${number(all)} parts compared`,
  plan: "What can be deleted",
  expect: (value, wrong) => `Delete ${number(value)}, expect ${wrong ? `at most ${number(wrong)} wrong` : "none wrong"}.`,
  unsure: (value) => `${PICTURES(value)} may be duplicates, but none surely enough to delete at once.`,
  none: "There is nothing to delete.",
  remove: (value) => `Delete ${number(value)}`,
  removed: (value) => `${PICTURES(value)} moved to the trash.`,
  compare: (value) => `Compare ${PICTURES(value)}`,
  comparing: (done, all) => `Comparing: ${number(done)} of ${number(all)}`,
  kept: "Stays",
  goes: "goes",
  kinds: { exact: "Same pixels", same: "Same picture", scene: "Same scene" },
};

export const MAP = {
  label: "Map of places",
  places: "Places",
  place: (name, value) => `${name}, ${PICTURES(value)}`,
  unnamed: "Unnamed place",
  count: (value) => (value < 10_000 ? number(value) : `${number(Math.floor(value / 1000))} k`),
  nearer: "Zoom in",
  farther: "Zoom out",
  whole: "Whole world",
  countries: "Countries",
  cities: "Towns",
  keys: "Arrow keys go from place to place, with Shift they move the map. + and \u2212 zoom.",
  empty: ["No places yet", "Pictures whose files tell where they were taken are shown on a map."],
  noneFiltered: ["No places here", "None of these pictures tells where it was taken."],
  credits: "Map: Natural Earth. Names of places: GeoNames, CC BY 4.0.",
};

export const TRASH = {
  title: "Trash",
  words: (days) =>
    days ? `Deleted pictures stay here for ${count(days, "day")}.` : "Deleted pictures stay here.",
  empty: ["The trash is empty", "Pictures that you delete can be restored from here."],
  restoreAll: "Restore all",
  purge: "Empty the trash",
  purgeTitle: "Empty the trash?",
  purgeWords: (value) => `${PICTURES(value)} will be removed from the collection for good. Your own files are not deleted.`,
  purgeAction: "Empty it",
  deleted: (when) => `deleted ${when}`,
};

export const LARGE = {
  previous: "Previous",
  next: "Next",
  close: "Close",
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  fullScreen: "Full screen",
  checking: "The video is being checked. It can be played in a moment.",
  info: "Details",
  share: "Copy link",
  place: (at, of) => `${number(at)} of ${number(of)}`,
  taken: "Taken",
  added: "Added",
  camera: "Camera",
  lens: "Lens",
  size: "Size",
  position: "Place",
  like: "More like this",
  leaveOut: "Leave out",
  why: "Why this?",
  download: "Download",
  remove: "Delete",
  comparing: "Comparing the pictures",
  searchPicture: "Search picture",
  compareWith: "Compare with",
  relevance: (value) => `relevance ${value}`,
  tags: "Tags",
  tagsOf: "Tags of this image",
  text: "Text in the picture",
  textFramed: (words) => `Framed in the picture: ${words}`,
  editTags: "Edit",
  addTags: "Add tags",
  from: "From",
  metadata: "Metadata",
  notShown: "Not shown",
  duplicates: "Near-duplicates",
  neighbours: "Its neighbours",
};

export const HELP = {
  title: "Keyboard shortcuts",
  close: "Close",
  keys: [
    ["/", "Search"],
    ["← → ↑ ↓", "Move between pictures"],
    ["Enter", "Open a picture"],
    ["x", "Select or deselect"],
    ["Shift + click", "Select a range"],
    ["Ctrl + A", "Select all"],
    ["f", "Favourite"],
    ["Del", "Move to the trash"],
    ["u or Ctrl + Z", "Undo"],
    ["i", "Details of an open picture"],
    ["+ −  0", "Zoom an open picture"],
    ["Esc", "Close, or clear the selection"],
    ["?", "This help"],
  ],
};

export const TAGGING = {
  tags: "Tags",
  another: "Another tag",
  known: "Known tags",
  remove: (tag) => `Remove ${tag}`,
  mayFit: "May fit: ",
  notSaved: "The tags were not saved.",
  save: "Save tags",
  labels: "Labels that may fit",
  mayShow: "May show",
  acceptLabel: (name, chance) => `Add the tag ${name}, ${chance} likely`,
  labelNotSaved: "The tag was not saved.",
};

export const KEY = {
  wrong: "Wrong key",
  locked: "This collection is locked",
  words: "Enter its key. It is kept only until you close this tab.",
  field: "Key",
  later: "Not now",
  unlock: "Unlock",
};
