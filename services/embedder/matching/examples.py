"""Training examples of the matching network: images, and the terms that each carries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.embedder.matching.training_set import TrainingSet
from services.embedder.words.vectors import Words
from shared.core.errors import InvalidInput

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """Images with at least one term that has a word vector.

    `rows` (n,): their rows in `features`; `image_terms`: for each the indexes, int64, of its terms
    in `words`, which is (terms, word_dim), and in `names`.
    """

    features: Floats
    rows: NDArray[np.int64]
    image_terms: list[NDArray[np.int64]]
    words: Floats
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, part: NDArray[np.int64]) -> "Examples":
        """Return the examples at the given positions."""
        terms = [self.image_terms[i] for i in part]
        return replace(self, rows=self.rows[part], image_terms=terms)

    def without(self, terms: NDArray[np.int64]) -> "Examples":
        """Without some terms, and without the images that carry no other."""
        kept = [own[~np.isin(own, terms)] for own in self.image_terms]
        part = np.array([i for i, own in enumerate(kept) if len(own)], np.int64)
        return replace(self, rows=self.rows[part], image_terms=[kept[i] for i in part])

    def occurring(self) -> NDArray[np.int64]:
        """The terms that any of the images carries, in order."""
        return np.unique(np.concatenate(self.image_terms))

    def most_frequent(self, most: int) -> NDArray[np.int64]:
        """Return the terms that the most images carry, up to a number, in order."""
        counts = np.bincount(np.concatenate(self.image_terms), minlength=len(self.words))
        chosen = np.argsort(-counts, kind="stable")[:most]
        return np.sort(chosen[counts[chosen] > 0])

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Image features, features of the terms that occur, and (n, terms) bool: who carries which.

        Reads the features from disk.
        """
        occurring = self.occurring()
        carries = np.zeros((len(self), len(occurring)), dtype=np.bool_)
        for position, terms in enumerate(self.image_terms):
            carries[position, np.searchsorted(occurring, terms)] = True
        return (
            torch.from_numpy(np.array(self.features[self.rows], dtype=np.float32)),
            torch.from_numpy(self.words[occurring]),
            torch.from_numpy(carries),
        )


def gather(
    training_set: TrainingSet, words: Words, max_images: int, rng: np.random.Generator
) -> tuple[Examples, list[str]]:
    """Return the examples, and the terms that have no word vector."""
    found = [words.find(term) for term in training_set.terms]
    known = np.array([vector is not None for vector in found], dtype=np.bool_)
    without_word = [t for t, has in zip(training_set.terms, known, strict=True) if not has]
    index = np.cumsum(known) - 1
    image_terms = [
        index[[t for t in set(terms) if known[t]]] if terms else index[:0]
        for terms in training_set.image_terms
    ]
    rows = np.array([i for i, terms in enumerate(image_terms) if len(terms)], dtype=np.int64)
    if not len(rows):
        raise InvalidInput(
            "Matching can't be trained: no image carries a tag that has a word vector "
            f"({len(without_word)} tags have none). Tag the images with words of the language "
            "that the word vectors (ISE_WORDS) are of."
        )
    if len(rows) > max_images:
        rows = np.sort(rng.choice(rows, max_images, replace=False))
    vectors = np.stack([vector for vector in found if vector is not None])
    names = [term for term, has in zip(training_set.terms, known, strict=True) if has]
    return (
        Examples(training_set.features, rows, [image_terms[i] for i in rows], vectors, names),
        without_word,
    )
