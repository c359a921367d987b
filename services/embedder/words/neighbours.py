"""Context of a term in addition to its vector: the nearest frequent words.

A vector learnt from few occurrences is noisy, but its neighbours were learnt from others. Rare
words as neighbours would be noisy too; files of word vectors begin with the frequent ones.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_FREQUENT = 10_000
_NEIGHBOURS = 5
_SHARE = 0.5
_ITSELF = 0.9999
_CHUNK = 512


class Neighbours:
    """Draws vectors towards their nearest among the first ones of `vectors` (n, dim)."""

    def __init__(self, vectors: Floats) -> None:
        frequent = vectors[:_FREQUENT]
        self.mean: Floats = frequent.mean(axis=0)
        self._directions = _unit(frequent - self.mean)

    def __call__(self, vectors: Floats) -> Floats:
        """(n, dim) -> (n, dim)."""
        parts = [self._drawn(vectors[i : i + _CHUNK]) for i in range(0, len(vectors), _CHUNK)]
        return np.concatenate(parts) if parts else vectors

    def _drawn(self, vectors: Floats) -> Floats:
        own = _unit(vectors - self.mean)
        cosines = own @ self._directions.T
        cosines[cosines > _ITSELF] = 0
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :_NEIGHBOURS]
        weights = np.maximum(np.take_along_axis(cosines, nearest, axis=1), 0)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
        around = np.einsum("nk,nkd->nd", weights, self._directions[nearest])
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        drawn = _unit(own + _SHARE * around) * lengths + self.mean
        return np.asarray(drawn, np.float32)


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
