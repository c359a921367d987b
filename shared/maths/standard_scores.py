"""Scores of a query as standard scores among those of the whole collection.

A cosine to a term means little by itself: terms lie differently far from all pictures. How many
standard deviations above the collection's mean a picture lies means about the same for every term
and every collection, so that a curve over these can be fitted elsewhere. How the collection's own
scores end tells more: where none stands out, the nearest are hardly what the term means, and where
many do, the standard deviation is theirs.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEAST_SPREAD = 1e-6
_CROWD = 0.99


@dataclass(frozen=True)
class Shape:
    """How a query's scores lie in a collection: their mean and standard deviation; the standard
    scores of the best one, as log(1 + score), and of the one that 1 % exceed.
    """

    mean: float
    spread: float
    peak: float
    crowd: float

    @classmethod
    def of(cls, scores: Floats) -> Self | None:
        """From the scores of a sample, (n,); None where they are all the same."""
        mean, spread = float(scores.mean()), float(scores.std())
        if spread < _LEAST_SPREAD:
            return None
        standard = (scores - mean) / spread
        peak = float(np.log1p(max(standard.max(), 0.0)))
        return cls(mean, spread, peak, float(np.quantile(standard, _CROWD)))


@dataclass(frozen=True)
class ScoreSample:
    """Vectors of length 1 that stand for a collection's, float32 (n, dim)."""

    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, vectors: NDArray[np.floating]) -> Self:
        """From a sample of vectors, (n, dim), n > 0."""
        rows = np.asarray(vectors, np.float64)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return cls((rows / np.where(lengths > 0, lengths, 1)).astype(np.float32))

    def level(self, query: NDArray[np.floating]) -> tuple[float, float] | None:
        """Mean and deviation of the cosines to a query; None where all have one cosine."""
        shape = self.shape(query)
        return None if shape is None else (shape.mean, shape.spread)

    def shape(self, query: NDArray[np.floating]) -> Shape | None:
        """How the cosines to a query lie; None where all are the same."""
        vector = np.asarray(query, np.float64)
        length = float(np.linalg.norm(vector))
        if not length:
            return None
        unit = (vector / length).astype(np.float32)
        return Shape.of((self.vectors @ unit).astype(np.float64))

    def cosines(
        self, query: NDArray[np.floating], standard: Floats, peak: float = 0, crowd: float = 0
    ) -> Floats | None:
        """The cosines to a query that have some standard scores; None where all have one cosine.

        peak, crowd: the weights of both in a standard score.
        """
        shape = self.shape(query)
        if shape is None:
            return None
        offset = peak * shape.peak + crowd * shape.crowd
        found: Floats = shape.mean + shape.spread * (standard - offset)
        return found
