/** Tags as text: what is alike to a search is alike here. */

const SEPARATORS = /[\s_\-\u2010-\u2015\u2212]+/g;
const WITHIN = /[\p{L}\p{N}\p{M}'\u2019]/u;

/** How the service matches tags: case, and `_`, `-` and spaces, make no difference. */
export function normalForm(text) {
  const folded = text.normalize("NFKC").toLowerCase();
  return folded.replace(SEPARATORS, " ").trim() || folded.trim();
}

/** Where in a tag a word begins as a text does, as [start, end]; [0, 0] where none does. */
export function matchIn(tag, text) {
  const wanted = normalForm(text);
  const letters = [...tag];
  let start = 0;
  for (const [at, letter] of letters.entries()) {
    const begins = letter.trim() && (at === 0 || !WITHIN.test(letters[at - 1]));
    if (wanted && begins && normalForm(tag.slice(start)).startsWith(wanted)) {
      let end = start;
      while (end < tag.length && !normalForm(tag.slice(start, end)).startsWith(wanted)) end += 1;
      return [start, end];
    }
    start += letter.length;
  }
  return [0, 0];
}
