"""Scores of a query as standard scores among those of the whole collection.

A cosine to a term means little by itself: terms lie differently far from all pictures. How many
standard deviations above the collection's mean a picture lies means about the same for every term
and every collection, so that a curve over these can be fitted elsewhere.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Mean (dim,) and covariance (dim, dim) of a collection's vectors of length 1."""

    mean: Floats
    covariance: Floats

    @classmethod
    def of(cls, vectors: NDArray[np.floating]) -> Self:
        """From a sample of vectors, (n, dim), n > 1."""
        rows = np.asarray(vectors, np.float64)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows = rows / np.where(lengths > 0, lengths, 1)
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(mean, centred.T @ centred / len(rows))

    def cosines(self, query: NDArray[np.floating], standard: Floats) -> Floats | None:
        """The cosines to a query that have some standard scores; None where all have one cosine."""
        level = self.level(query)
        if level is None:
            return None
        mean, spread = level
        found: Floats = mean + spread * standard
        return found

    def level(self, query: NDArray[np.floating]) -> tuple[float, float] | None:
        """Mean and deviation of the cosines to a query; None where all have one cosine."""
        vector = np.asarray(query, np.float64)
        length = float(np.linalg.norm(vector))
        if not length:
            return None
        vector = vector / length
        spread = math.sqrt(max(float(vector @ self.covariance @ vector), 0.0))
        if spread < _LEAST_SPREAD:
            return None
        return float(vector @ self.mean), spread


_LEAST_SPREAD = 1e-6
