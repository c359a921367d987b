/** The sentences of the view where the collection is managed. */

import { PICTURES, count, number } from "./messages.js";

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
  nothing: "Choose a folder first.",
  files: "Drop pictures or a folder here, or choose them",
  formats: "JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC, JPEG XL, RAW, MP4, MOV, WebM, MKV, AVI",
  tagsForAll: "Tags for all pictures",
  optional: "Comma-separated; optional.",
  example: "garden, summer",
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
  more: "Show more",
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
  undoSync: "Pictures that it deleted, as their files were gone, come back as long as they are in the trash.",
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
    text: "Reading text in pictures",
    duplicates: "Comparing pictures",
    label: "Naming what pictures show",
    "accept-labels": "Taking labels as tags",
  },
  adding: (source) => `Adding pictures from ${source}`,
  added: (source) => `Added pictures from ${source}`,
  following: (source) => `Matching ${source}`,
  comparing: "Comparing another model",
  receipt: {
    expected: (change, low, high) => `Right among the first ten: expected ${change} (${low} to ${high})`,
    came: (change, after) => `came ${change}, now ${after}`,
    takes: (time) => `the change takes about ${time}`,
    shared: (percent, sample) =>
      `Both models agree on ${percent} % of the nearest of ${PICTURES(sample)}. Without tags nobody can tell which is better.`,
  },
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

export const QUESTION = { no: "Not now" };

/** What the collection holds, in numbers. */
export const FIGURES = {
  images: "Images",
  tags: "Tags",
  clusters: "Clusters",
  snapshot: "Snapshot",
  metric: "Compared by",
  metrics: { cosine: "Cosine similarity", l2: "L2 distance" },
  model: "Model",
  noModel: "none yet",
  network: "Words by",
  noNetwork: "no network yet",
};

/** How the index does. */
export const HEALTH = {
  title: "Index",
  away: "The state of the index is unavailable without the indexer.",
  loading: "Loading.",
  none: "There is no index yet. Add pictures, then build one.",
  good: "In good order. No action needed.",
  added: "Added since the last merge",
  deleted: "Deleted since",
  ofStored: "of what is stored",
  imbalance: "Imbalance",
  even: "1 would be even",
  whenBuilt: (times) => `${times} when built`,
  drift: ["Drift", "distance to the centres, 1 when built"],
  growth: ["Growth", "images, 1 when built"],
  recall: "Measured recall",
  notMeasured: "Not measured yet: every image is compared until a build makes clusters.",
  live: (queries, found, expected) =>
    `${count(queries, "answer was", "answers were")} checked since: ${found} found, ${expected} expected.`,
};

/** The recall over what is scanned for it. */
export const CURVE = {
  reached: (scanned, most, clusters, recall) =>
    `Scanning ${scanned} of the images, ${most ? "at most " : ""}${count(clusters, "cluster")}, finds ${recall} of the exact answer.`,
  measuredBy: (first, queries) => ` The first ${first}, of ${count(queries, "query", "queries")}.`,
  scanned: "of the images scanned",
};

/** Starting a build or a training. */
export const WORK = {
  title: "Build and train",
  build: "Rebuild the index",
  train: "Train word matching",
  automatic: "Automatic",
  metrics: [
    ["cosine", "Cosine similarity"],
    ["l2", "L2 distance"],
  ],
  transforms: [
    ["auto", "Best measured"],
    ["none", "Nothing"],
    ["l2", "Unit length"],
    ["pca:128", "PCA to 128"],
  ],
  rows: [
    ["float32", "float32"],
    ["float16", "float16, half the disk"],
  ],
  startBuild: "Start the build",
  buildWords: "Clusters all images again. Searches continue meanwhile.",
  clusters: "Clusters",
  metric: "Made for",
  transform: "Feature transform",
  stored: "Stored as",
  startTraining: "Start the training",
  trainWords: "Learns words from the tags of your images.",
  epochs: ["Epochs", "Maximum number."],
  patience: ["Patience", "Epochs without improvement before training stops."],
};
