"""Texts of one snapshot's images, as searches and answers use them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from shared.contracts.text import Word
from shared.snapshots.texts import TextsFile
from shared.terms.text_words import text_words

_NEAR = 0.7
"""Weight of a word that is only spelled like the one asked for."""
_APART = 0.9
"""Factor of a text whose words don't stand side by side as asked."""
_ONE_SLIP, _TWO_SLIPS = 4, 8


@dataclass(frozen=True)
class Shown:
    """Images whose text answers a search, the best first. `scores`: 0 to 1.

    `words`: as they are compared, all that count as found.
    """

    ordinals: NDArray[np.int64]
    scores: NDArray[np.float64]
    words: frozenset[str]

    def __len__(self) -> int:
        return len(self.ordinals)

    def kept(self, mask: NDArray[np.bool_]) -> "Shown":
        return Shown(self.ordinals[mask], self.scores[mask], self.words)


class ImageTexts:
    """The texts of a snapshot's images. Of an image that several files have, the last counts."""

    def __init__(self, files: Sequence[TextsFile]) -> None:
        self._files = list(files)
        later = np.empty(0, np.int64)
        valid: list[NDArray[np.bool_]] = []
        for file in reversed(self._files):
            valid.append(~np.isin(file.ordinals, later, assume_unique=True))
            later = np.union1d(later, file.ordinals)
        self._valid = valid[::-1]

    @property
    def images(self) -> int:
        """The number of images that were read."""
        return sum(int(np.count_nonzero(valid)) for valid in self._valid)

    def of(self, ordinal: int, only: frozenset[str] | None = None) -> list[Word]:
        """The words of an image, in the order of reading. only: those with one of these words."""
        for file in reversed(self._files):
            if (row := file.row_of(ordinal)) is not None:
                words = file.words(row)
                if only is None:
                    return words
                return [word for word in words if only.intersection(text_words(word.text))]
        return []

    def find(self, text: str, near: bool, part: float = 1.0) -> Shown:
        """Find the images that show words.

        near: words that a slip away count, too. part: the least share of the words that an image
        has to show. The score is the mean over the words of how sure each was read, less where it
        is spelled otherwise, and where the words don't stand side by side.
        """
        asked = text_words(text)
        ordinals, scores = [np.empty(0, np.int64)], [np.empty(0, np.float64)]
        accepted: set[str] = set()
        for file, valid in zip(self._files, self._valid, strict=True):
            if not asked:
                break
            forms = [_forms(word, file.keys, near) for word in asked]
            rows, found = _scored(file, forms, part)
            kept = valid[rows]
            ordinals.append(file.ordinals[rows[kept]])
            scores.append(found[kept])
            accepted.update(key for some in forms for key in some)
        every, values = np.concatenate(ordinals), np.concatenate(scores)
        order = np.lexsort((every, -values))
        return Shown(every[order], values[order], frozenset(accepted))


def _forms(word: str, keys: Sequence[str], near: bool) -> dict[str, float]:
    """The words of a file that count as a word asked for, with their weights."""
    forms = {word: 1.0}
    slips = 0 if len(word) < _ONE_SLIP else 1 if len(word) < _TWO_SLIPS else 2
    if not near or not slips:
        return forms
    alike = process.extract(word, keys, scorer=OSA.distance, score_cutoff=slips, limit=None)
    for key, distance, _ in alike:
        # 1998 is no misspelling of 1999.
        if distance and _digits(key) == _digits(word):
            forms[key] = _NEAR ** float(distance)
    return forms


def _digits(word: str) -> str:
    return "".join(filter(str.isdigit, word))


def _scored(
    file: TextsFile, forms: Sequence[dict[str, float]], part: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rows of a file that show enough of the words, and their scores."""
    total = np.zeros(len(file.ordinals), np.float32)
    count = np.zeros(len(file.ordinals), np.int32)
    for some in forms:
        best = np.zeros(len(file.ordinals), np.float32)
        for key, weight in some.items():
            tokens = file.tokens(key)
            if len(tokens):
                sure = file.confidences_of(tokens) * np.float32(weight)
                np.maximum.at(best, file.rows_of(tokens), sure)
        total += best
        count += best > 0
    rows = np.flatnonzero(count >= max(1, np.ceil(part * len(forms) - 1e-9)))
    scores = total[rows].astype(np.float64) / len(forms)
    if len(forms) > 1 and len(rows):
        scores *= np.where(np.isin(rows, _side_by_side(file, forms)), 1.0, _APART)
    return rows, scores


def _side_by_side(file: TextsFile, forms: Iterable[dict[str, float]]) -> NDArray[np.int64]:
    """The rows where all the words follow each other."""
    starts: NDArray[np.int64] | None = None
    for place, some in enumerate(forms):
        tokens = np.unique(np.concatenate([file.tokens(key) for key in some])) - place
        starts = tokens if starts is None else np.intersect1d(starts, tokens)
    if starts is None or not len(starts):
        return np.empty(0, np.int64)
    # The last word must belong to the same picture.
    first, last = file.rows_of(starts), file.rows_of(starts + place)
    return np.unique(first[first == last])
