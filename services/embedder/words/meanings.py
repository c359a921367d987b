"""Meanings of terms: the classes that a term stands for, and its word vector.

A row has three parts: the direction of the word vector, the word vector in context as trained
networks take it, and a one for each class. A part that isn't known is zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.embedder.words.hierarchy import Hierarchy
from services.embedder.words.vectors import Words
from shared.labels.head import LabelHead
from shared.terms.normal_form import words_of

Floats = NDArray[np.float32]

# Words that stand between those that mean something.
_FILLERS = frozenset(
    ["a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"]
)


@dataclass(frozen=True)
class MeaningParts:
    """Rows of meanings, by part: (n, word_dim), (n, word_dim), (n, classes)."""

    directions: Floats
    in_context: Floats
    classes: Floats


class Meanings:
    """Encoder of terms for joint spaces that begin from labels.

    Safe to use from several threads.
    """

    architecture = "word2vec"

    def __init__(self, words: Words, head: LabelHead) -> None:
        self.words = words
        self.head = head
        self.hierarchy = Hierarchy(head.classes)
        self.dim = 2 * words.dim + len(head.classes)
        self.fingerprint = words.fingerprint

    @property
    def digest(self) -> str:
        """Identity of the classes and of the table above them."""
        return f"{self.head.digest}-{self.hierarchy.digest}"

    @cached_property
    def class_vectors(self) -> Floats:
        """The mean direction of each class's names, (classes, word_dim); zero without a vector."""
        rows = np.zeros((len(self.head.classes), self.words.dim), np.float32)
        for number, names in enumerate(self.hierarchy.names):
            found = [vector for name in names if (vector := self.words.find(name)) is not None]
            if found:
                rows[number] = unit(self._directions(np.stack(found)).mean(axis=0))
        return rows

    def embed(self, terms: Sequence[str], allow_unknown: bool = False) -> list[Floats | None]:
        """The meaning of each term, (dim,); None for one that has none, where allowed.

        Raises UnknownTerm.
        """
        found = [self.find(term) for term in terms]
        unknown = [term for term, row in zip(terms, found, strict=True) if row is None]
        if unknown and not allow_unknown:
            raise self.words.unknown(unknown)
        return found

    def find(self, term: str) -> Floats | None:
        """The meaning of a term, or None where no word of it is known."""
        classes = self._classes(term)
        vector = self.words.find(_without_fillers(term))
        row = np.zeros(self.dim, np.float32)
        size = self.words.dim
        if vector is not None:
            row[:size] = self._directions(vector[None])[0]
            row[size : 2 * size] = self.words.in_context(vector[None])[0]
        if classes is not None:
            row[2 * size :] = classes
        return row if vector is not None or classes is not None else None

    def are_named(self, terms: Sequence[str]) -> bool:
        """True if each term without a word vector is the name of a class, or of several."""
        return all(
            self.hierarchy.find(term) is not None for term in terms if self.words.find(term) is None
        )

    def in_context(self, vectors: Floats) -> Floats:
        """The rows themselves: they have a part that is in context."""
        return vectors

    @staticmethod
    def split(rows: Floats, word_dim: int) -> MeaningParts:
        """The parts of rows (n, dim)."""
        return MeaningParts(
            rows[:, :word_dim], rows[:, word_dim : 2 * word_dim], rows[:, 2 * word_dim :]
        )

    def _classes(self, term: str) -> Floats | None:
        """The classes that a term stands for; of a phrase that is no name, its parts' together."""
        whole = self.hierarchy.find(term)
        words = words_of(term)
        if whole is not None or len(words) < 2:
            return whole
        some = [self.hierarchy.find(word) for word in words_of(_without_fillers(term))]
        known = [weights > 0 for weights in some if weights is not None]
        return np.any(known, axis=0).astype(np.float32) if known else None

    def _directions(self, vectors: Floats) -> Floats:
        return unit(vectors - self.words.frequent_mean)


def _without_fillers(term: str) -> str:
    """A term without the words that say nothing of what it shows, unless there are no others."""
    words = words_of(term)
    kept = [word for word in words if word.casefold() not in _FILLERS]
    return " ".join(kept) if 0 < len(kept) < len(words) else term


def unit(rows: Floats) -> Floats:
    """Rows at length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)
