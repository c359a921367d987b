/** The sentences of a search and its hits. */

import { count, number } from "./messages.js";

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

/** The parts of a search, and the pictures that it goes by. */
export const PARTS = {
  picture: "Your picture",
  yourPicture: "your picture",
  image: "An image",
  sending: "Sending the picture",
  refused: (file) => `${file} is not a picture.`,
  include: (name) => `Without ${name}: look for it`,
  exclude: (name) => `With ${name}: leave it out`,
  excluded: "Excluded. Press to include",
  included: "Included. Press to exclude",
  crop: (name) => `Crop ${name}`,
  changeCrop: (name) => `Change the crop of ${name}`,
  cropTitle: "Search by a part of the picture",
  remove: (name) => `Remove ${name}`,
  like: (names) => `Like ${names}`,
  without: (names) => ` without ${names}`,
  and: (others, last) => `${others} and ${last}`,
};

/** Choosing a part of a picture. */
export const CROP = {
  title: "Search by a part",
  words: "Drag the box or its corners. Keyboard: arrow keys move it; with Shift, they resize it.",
  picture: "The picture to crop",
  box: "crop box",
  whole: "Whole picture",
  use: "Use this part",
  place: (left, top, width, height) =>
    `From the left ${left} %, from the top ${top} %, ${width} % wide, ${height} % high`,
};

export const FILTERS = {
  title: "Filters",
  clear: "Clear",
  not: (words) => `not ${words}`,
  remove: (words) => `Remove the filter ${words}`,
  tags: "Tags ",
  among: (images) => `among ${count(images, "image")}`,
  show: "Show",
  fold: "Fold near-duplicates",
  likely: "Likely matches only",
  only: (words, images) => `Only ${words}, ${count(images, "image")}`,
  without: (words) => `Not ${words}`,
  toMeet: "Filters to meet",
  all: "All of them",
  any: "Any of them",
  from: (key) => `${key} from`,
  upTo: (key) => `${key} to`,
  to: "to",
  apply: "Apply",
  several: "several conditions",
  taken: "Taken",
  fromDay: "From",
  toDay: "To",
  area: "In an area of the map",
  label: (name) => `shows ${name}`,
  facts: { years: "Years", countries: "Countries", cities: "Towns", cameras: "Cameras", lenses: "Lenses", labels: "What they show" },
  names: {
    "file.taken_at": "Taken",
    "file.country": "Country",
    "file.city": "Town",
    "file.camera": "Camera",
    "file.lens": "Lens",
    "file.folder": "Folder",
    "file.format": "Format",
    "file.width": "Width",
    "file.height": "Height",
    "file.bytes": "Size",
    added_at: "Added",
  },
  or: " or ",
  has: (key, has) => (has ? `has ${key}` : `has no ${key}`),
  bounds: { gt: "over", gte: "from", lt: "under", lte: "to" },
};

/** A person's word on a hit. */
export const JUDGE = { question: "Is this right? ", yes: "Yes", no: "No", kept: " Kept." };

/** Places that words name. */
export const PLACES = {
  offer: ({ name, count: taken }) => [`${count(taken, "picture")} ${taken === 1 ? "was" : "were"} taken in `, name],
  place: "place",
  option: ({ name, count: taken }) => `${name}, place, ${count(taken, "image")}`,
};

/** How many images match. */
export const EXPECTED = {
  exactly: (matches) => (matches === 1 ? "One image matches." : `${number(matches)} match.`),
  about: (matches, low, high) =>
    `About ${number(matches)} ${matches === 1 ? "matches" : "match"}, ${number(low)} to ${number(high)}.`,
  absent: "Not in your collection: nothing seems to match. These come nearest.",
  untold: "How many match isn't told: that is measured for words and for colours, but not for both together.",
  ends: "The images before this one match; the rest are merely near.",
  promise: ({ asked, met }) => {
    const share = `${Math.round(asked * 100)}\u00a0%`;
    return met
      ? `The shortest list that holds a match with a chance of ${share}.`
      : `This collection can't promise a match with a chance of ${share}.`;
  },
};

/** How an answer came about. */
export const ANSWER = {
  order: "Order",
  orders: { "": "Best", taken: "Newest", added: "Added" },
  clear: "Clear the search",
  basis: (snapshot, metric, model) =>
    `Snapshot ${snapshot}, by ${metric === "l2" ? "L2 distance" : "cosine similarity"}${model ? ` of ${model}` : ""}.`,
  instead: (terms) => `Search for ${terms} instead`,
  stages: "Time by stage",
  showing: (tags) => `Showing ${tags}`,
  byTag: "The images that carry this tag, the most typical first.",
  byMeaning: (term) => `No image is tagged “${term}”. These come nearest to what the word means.`,
  byMeanings: "These come nearest to what the words mean together.",
  mixed: "Pictures and words weighed together, the nearest first.",
  byLook: "Compared by what the pictures show, the most similar first.",
  byText: "Images that show this text.",
  byTextAndMeaning: "Images that show this text first, then those near to what it means.",
  byColor: (colors) => `The pictures with most ${colors} first.`,
  byColorToo: (colors) => `What the words find, the pictures with most ${colors} first.`,
  monochrome: "black and white",
  everyColor: "Looked at the colours of every image",
  everyTagged: "Looked at every image with this tag",
  everyText: "Looked at the text of every image",
  every: "Looked at every image",
  looked: (share, clusters, of) =>
    `Looked at ${share} of the images, ${number(clusters)} of ${count(of, "cluster")}`,
  notMeasured: "expected recall not measured",
  exact: "exact",
  recall: (share) => `expected recall ${share}`,
  shown: (images, more) => `${count(images, "image")} shown${more ? ", there are more" : ""}.`,
};

/** How good a hit is: from so much on, it's called so. */
export const CLOSENESS = {
  same: "Nearly identical",
  text: "Shows this text",
  share: (value) => `${value} of this colour`,
  distance: (value) => `Distance ${value}`,
  probability: [
    [0.9, "Almost certain"],
    [0.7, "Very likely"],
    [0.4, "Likely"],
    [0.15, "Possible"],
    [-Infinity, "Unlikely"],
  ],
  meaning: [
    [0.7, "Near in meaning"],
    [0.45, "Rather near in meaning"],
    [0.2, "Perhaps related"],
    [-Infinity, "Hardly related"],
  ],
  tag: [
    [0.7, "Strong match"],
    [0.45, "Good match"],
    [0.2, "Fair match"],
    [-Infinity, "Weak match"],
  ],
  look: [
    [0.9, "Very similar"],
    [0.75, "Similar"],
    [0.5, "Somewhat similar"],
    [-Infinity, "Loosely similar"],
  ],
  chance: "Calibrated chance that it matches",
  copies: (value) => count(value, "near-duplicate"),
  numbers: (score, distance) => `Orders the results; score ${score}, distance ${distance}`,
};

/** What a hit was found by. */
export const WHY = {
  word: "what the word means",
  told: (name, place, sum) =>
    `Red speaks for the likeness to ${name}, blue against it. Most of the likeness is at the ${place} of the picture. ${sum}`,
  approximate: "The colours show what matters; they don't sum to the score.",
  exact: (cosine) => `The colours sum to a similarity of ${cosine}.`,
  middle: "middle",
  sides: { left: "left", right: "right", top: "top", bottom: "bottom" },
};
