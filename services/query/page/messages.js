/**
 * Every sentence that the page says, in one place, so that it can be translated.
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
  tags: "Tags",
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
  byNameTitle: "By name",
  dates: "Go to a date",
  total: (value) => PICTURES(value),
  loading: "Loading pictures",
  loaded: (value) => `${PICTURES(value)}.`,
  retry: "Try again",
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
  gone: "It is no longer there.",
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
  keep: "Keep",
  keepBest: "Keep only this",
  keepAll: "Keep all",
  group: (value) => `${number(value)} alike`,
  best: "Largest",
  alike: (share) => `${share} alike`,
  looked: (done, all) => `${number(done)} of ${number(all)} parts compared`,
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
  selected: "Restore selected",
};

export const LARGE = {
  previous: "Previous",
  next: "Next",
  close: "Close",
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  fullScreen: "Full screen",
  leaveFullScreen: "Leave full screen",
  info: "Details",
  favourite: "Favourite",
  share: "Copy link",
  place: (at, of) => `${number(at)} of ${number(of)}`,
  taken: "Taken",
  added: "Added",
  camera: "Camera",
  lens: "Lens",
  size: "Size",
  position: "Place",
  file: "File",
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

export const CHOOSER = {
  title: "Choose a folder",
  label: "Folders",
  start: "Where are your pictures?",
  up: "Back",
  take: "Use this folder",
  none: "No folder may be added. Whoever runs the service has to allow one.",
  leaf: "No folders in here.",
  more: "There are more than are shown.",
};

export const ADD = {
  title: "Add pictures",
  fromFolder: "From a folder",
  choose: "Choose a folder",
  other: "Another folder",
  advanced: "Advanced",
  path: "Path",
  pathNote: "A folder, an archive, or a CSV or JSONL manifest.",
  tagsFrom: "Tags",
  tags: [
    ["", "Names of folders, or the manifest's"],
    ["folder", "Names of folders"],
    ["manifest", "The manifest's"],
    ["none", "No tags"],
  ],
  build: "Make them searchable right away",
  action: "Add",
  actionFolder: (name) => `Add the pictures of ${name}`,
  nothing: "Choose a folder first.",
  files: "Drop pictures or a folder here, or choose them",
  formats: "JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC",
  tagsForAll: "Tags for all pictures",
  optional: "Comma-separated; optional.",
  addFiles: (value) => `Add ${count(value, "file")}`,
  clear: "Clear",
  uploading: "Upload of pictures",
  stop: "Stop",
  rest: "Continue with the rest",
  failures: "Pictures that could not be added",
  chosen: "Chosen pictures",
  more: (value) => `and ${number(value)} more`,
  added: (value) => `${PICTURES(value)} added`,
  known: (value) => `${number(value)} there already`,
  failed: (value) => `${number(value)} failed`,
  left: (value) => `${count(value, "file")} to go.`,
};

/** What a job does, and what came of it. */
export const JOBS = {
  title: "Activity",
  label: "Activity, the newest first",
  none: "Nothing yet. What you start appears here.",
  loading: "Loading",
  away: "This can't be shown while the service that keeps the pictures is away.",
  all: (value) => `Show all ${number(value)}`,
  cancel: "Cancel",
  cancelling: (name) => `${name} is being cancelled.`,
  started: (name) => `${name} started.`,
  ended: (name, state) => `${name}: ${state}.`,
  progress: (name) => `Progress of: ${name}`,
  cancelOf: (name) => `Cancel: ${name}`,
  undo: "Undo",
  undoOf: (name) => `Undo: ${name}`,
  undoTitle: "Take back what this added?",
  undoWords: [
    "Pictures that it added go to the trash. Tags and details that it changed are as before.",
    "What was there before stays.",
  ],
  undoAction: "Take back",
  skipped: "Left out",
  failures: (value) => count(value, "failure"),
  failuresLabel: "Pictures that could not be processed",
  moreFailures: (value) => `And ${number(value)} more.`,
  waiting: "Waiting for the one before.",
  starting: "Starting",
  speed: (value) => `${number(value)} a second`,
  left: (time) => `${time} left`,
  of: (done, total) => `${number(done)} of ${number(total)}`,
  without: (step, reason) => `Without ${step}: ${reason}`,
  states: { queued: "Waiting", running: "Running", succeeded: "Done", failed: "Failed", cancelled: "Cancelled" },
  kinds: {
    ingest: "Adding pictures",
    build: "Rebuilding the index",
    train: "Learning words from tags",
    compact: "Tidying up",
    import: "Importing",
    reembed: "Changing the model",
    migrate: "Moving to another engine",
    learn: "Learning in the background",
    facts: "Reading dates and cameras",
    undo: "Taking back",
    label: "Naming what pictures show",
    "accept-labels": "Taking labels as tags",
  },
  adding: (source) => `Adding pictures from ${source}`,
  added: (source) => `Added pictures from ${source}`,
  following: (source) => `Matching ${source}`,
  dryRun: (source) => `Trial run for ${source}`,
  result: {
    added: (value) => `${PICTURES(value)} added`,
    known: (value) => `${number(value)} there already`,
    failed: (value) => `${number(value)} failed`,
  },
};

export const NOTICE = { paused: "Adding and changing pictures is paused" };

/** Older versions of the index. */
export const SNAPSHOTS = {
  title: "Versions of the index",
  label: "Versions, the newest first",
  away: "This can't be shown while the service that keeps the pictures is away.",
  loading: "Loading.",
  more: (value) => `Show ${number(value)} more`,
  holds: (images, clusters) =>
    clusters ? `${PICTURES(images)} in ${count(clusters, "cluster")}` : PICTURES(images),
  inUse: "In use",
  back: "Go back",
  backTo: (value) => `Go back to snapshot ${value}`,
  askTitle: (value) => `Search by the index of snapshot ${value} again?`,
  words: (images, clusters) => [
    `This changes how pictures are found, not which there are: searches use that index (${PICTURES(images)}, ${count(clusters, "cluster")}).`,
    "It doesn't take back what was added or deleted: deleted pictures stay deleted, and newer ones stay if the model is the same. To take back what was added by mistake, use Undo under Activity.",
    "It makes a new version, so you can return to the present one.",
  ],
  action: (value) => `Go back to ${value}`,
  used: (value) => `The index of snapshot ${value} is in use.`,
};

export const SEARCH = { first: "A word, or a picture", more: "Add a word" };

/** What stands in place of hits, and below them. */
export const RESULTS = {
  onlyLeftOut: ["Add something to search for", "This search only excludes images. Add a word or a picture."],
  none: "No images found",
  noneSpoken: "No images found.",
  noneFiltered: "No image meets all the filters of this search.",
  noneWords: "Nothing similar found. Try another word or a picture.",
  unfilter: "Remove the filters",
  doubt: "No confident match",
  unlikely: "Nothing in the collection is likely to match.",
  best: (chance) => `The best match has a probability of only ${chance}.`,
  suggestions: "Suggestions",
  crop: "Crop to what matters",
  exactly: "Search exactly",
  all: "Show unlikely matches too",
  another: "Or try another picture or word.",
  anotherNearest: "Or try another picture or word. These are the nearest images.",
  expired: "The picture has expired",
  expiredWords: "Search pictures are stored only for a limited time.",
  chooseAgain: "Choose the picture again",
  loadingMore: "Loading more",
  mayBeMore: "There may be more hits. An exact search scans everything.",
  end: "End of results.",
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
