"""The features of a term: its word vector."""

import difflib
import hashlib
import unicodedata
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.embedder.words.english import other_numbers
from services.embedder.words.files import find_file, read_vectors
from services.embedder.words.neighbours import Neighbours
from services.embedder.words.packaged import load_packaged_words
from services.embedder.words.table import WordTable
from shared.core.errors import Misconfigured, UnknownTerm
from shared.terms.normal_form import words_of

_LONGEST_ENTRY = 200
_PART = 10_000

_SUGGESTED_FROM = 100_000
_CANDIDATES = 2_000
_LONGEST = 40
"""Bounds of the search for close spellings, which compares letter by letter."""


class Words:
    """Word vectors by term. Safe to use from several threads."""

    architecture = "word2vec"

    def __init__(self, keyed: WordTable) -> None:
        self._index: dict[str, int] = keyed.key_to_index
        self._words: list[str] = keyed.index_to_key
        self._vectors: NDArray[np.float32] = np.ascontiguousarray(keyed.vectors, dtype=np.float32)
        if not self._words or not _all_finite(self._vectors):
            raise Misconfigured("The word vectors (ISE_WORDS) are empty or not all finite.")
        self.dim = int(self._vectors.shape[1])
        self.fingerprint = f"words-{self._digest()[:16]}"
        self._neighbours = Neighbours(self._vectors)

    def __len__(self) -> int:
        return len(self._words)

    def find(self, term: str) -> NDArray[np.float32] | None:
        """Return the features of a term, (dim,) float32, or None if no word of it is known.

        Looked up as written, in another case, then in singular or plural. A term of several words
        (separated by space, `_` or `-`) without an entry is the mean of its words' directions, or
        the entry of the joined words; unknown words are left out of the mean.
        """
        parts = words_of(term)
        composed = unicodedata.normalize("NFKC", term).strip()
        whole = self._row([term.strip(), composed, "_".join(parts), "-".join(parts)])
        if whole is not None:
            return np.array(self._vectors[whole])
        rows = [row for part in parts if (row := self._row([part])) is not None]
        if len(rows) < len(parts) and (one := self._row(["".join(parts)])) is not None:
            rows = [one]
        if len(rows) > 1:
            return self._mean(rows)
        return np.array(self._vectors[rows[0]]) if rows else None

    def embed(
        self, terms: Sequence[str], allow_unknown: bool = False
    ) -> list[NDArray[np.float32] | None]:
        """Return the result of `find` for each term. Raises UnknownTerm, unless that is allowed."""
        found = [self.find(term) for term in terms]
        unknown = [term for term, vector in zip(terms, found, strict=True) if vector is None]
        if unknown and not allow_unknown:
            # Report only the first, because the search for similar spellings is slow.
            raise self.unknown(unknown)
        return found

    @property
    def frequent_mean(self) -> NDArray[np.float32]:
        """The mean of the frequent words' vectors, (dim,): what all words have in common."""
        return self._neighbours.mean

    def in_context(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors of terms (n, dim), each drawn towards the frequent words that are near to it."""
        return self._neighbours(vectors)

    def features(self, term: str) -> NDArray[np.float32]:
        """Return the result of `find`. Raises UnknownTerm if there is none."""
        found = self.find(term)
        if found is None:
            raise self.unknown([term])
        return found

    def unknown(self, terms: list[str]) -> UnknownTerm:
        """The error for terms without a vector; `suggestions`: close spellings of the first."""
        shown = [term if len(term) <= _LONGEST else term[:_LONGEST] + "…" for term in terms[:10]]
        suggestions = self.suggest(terms[0])
        hint = f" Did you mean {', '.join(suggestions)}?" if suggestions else ""
        more = f" and {len(terms) - 1} more" if len(terms) > 1 else ""
        return UnknownTerm(
            f"No word vector is known for {shown[0]!r}{more}.{hint}",
            terms=shown,
            suggestions=suggestions,
        )

    def suggest(self, term: str, count: int = 3) -> list[str]:
        """Known words spelt most like `term`, among the frequent ones of about its length."""
        wanted = term.strip().lower()
        if not 2 <= len(wanted) <= _LONGEST:
            return []
        alike = (
            word
            for word in islice(self._words, _SUGGESTED_FROM)
            if abs(len(word) - len(wanted)) <= 2 and word[0].lower() == wanted[0]
        )
        return difflib.get_close_matches(wanted, islice(alike, _CANDIDATES), count, cutoff=0.7)

    def _row(self, spellings: list[str]) -> int | None:
        ways = [spelling for spelling in spellings if len(spelling) <= _LONGEST_ENTRY]
        ways += [other for spelling in ways for other in other_numbers(spelling)]
        for spelling in ways:
            for way in (spelling, spelling.lower(), spelling.title(), spelling.upper()):
                if way in self._index:
                    return self._index[way]
        return None

    def _mean(self, rows: list[int]) -> NDArray[np.float32]:
        """Return the mean direction at the mean length, so that the longest vector doesn't
        dominate.

        The last word counts twice, because it is the noun: "bullet train" is a train.
        """
        vectors = self._vectors[rows]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        directions = vectors / np.where(lengths > 0, lengths, 1)
        weights = np.ones(len(rows))
        weights[-1] = 2
        mean = np.average(directions, axis=0, weights=weights) * lengths.mean()
        return np.asarray(mean, dtype=np.float32)

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self._vectors.shape}\n".encode())
        digest.update("\n".join(self._words).encode(errors="surrogateescape"))
        digest.update(self._vectors.data)
        return digest.hexdigest()


def _all_finite(vectors: NDArray[np.float32]) -> bool:
    """A part at a time: they may not fit into memory."""
    starts = range(0, len(vectors), _PART)
    return all(np.isfinite(vectors[start : start + _PART]).all() for start in starts)


def load_words(name: str = "", hub_seconds: float = 5.0, folder: Path | None = None) -> Words:
    """The packaged words, or those of `ISE_WORDS`: a file, or a gensim-downloader name.

    Large ones are mapped, from a file in `folder`.

    Raises Misconfigured.
    """
    keyed = read_vectors(find_file(name, hub_seconds), folder) if name else load_packaged_words()
    return Words(keyed)
