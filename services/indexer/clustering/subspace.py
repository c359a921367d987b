"""A few directions of a space, in which vectors are compared for a fraction of the cost.

Between points of an affine subspace and any vector, the squared distance is the one inside the
subspace plus the vector's own distance to it. So which of the points is nearest can be decided in
the subspace alone, exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.maths.linear_algebra import orthonormal

_PASSES = 6
# Share of the sum of squares that float32 rounding leaves outside the subspace.
_ROUNDING = 1e-12


class Subspace:
    """`mean` + the span of `basis`, whose columns are orthonormal: shapes (dim,), (dim, n)."""

    def __init__(self, mean: NDArray[np.floating], basis: NDArray[np.floating]) -> None:
        self._mean = mean.astype(np.float32)
        self._basis = np.ascontiguousarray(basis, np.float32)
        self._shift = self._mean @ self._basis

    @classmethod
    def leading(cls, rows: NDArray[np.floating], count: int, seed: int = 0) -> Subspace:
        """Return the `count` directions in which rows, of shape (n, dim), vary most (PCA).

        The whole space if it has no more dimensions than that. Computed by subspace iteration
        (Halko, Martinsson & Tropp, SIAM Review 2011), which needs no matrix of dim x dim.
        """
        mean: NDArray[Any] = rows.mean(axis=0, dtype=np.float64)
        dim = rows.shape[1]
        if count >= dim:
            return cls(mean, np.eye(dim))
        centred = rows - mean.astype(rows.dtype)
        basis = np.random.default_rng(seed).standard_normal((dim, count)).astype(rows.dtype)
        for _ in range(_PASSES):
            basis = orthonormal(centred.T @ (centred @ basis))
        return cls(mean, basis)

    @classmethod
    def holding(cls, points: NDArray[np.float32], count: int) -> Subspace | None:
        """A subspace of `count` directions in which all points lie, if there is one."""
        exact = points.astype(np.float64)
        found = cls.leading(exact, count)
        spread = float(((exact - exact.mean(axis=0)) ** 2).sum())
        outside = float(((exact - found.vectors(found.coordinates(points))) ** 2).sum())
        return found if outside <= _ROUNDING * max(spread, float((exact**2).sum())) else None

    @property
    def directions(self) -> int:
        return int(self._basis.shape[1])

    def coordinates(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors (n, dim) projected to the subspace, float32 (n, count)."""
        return vectors @ self._basis - self._shift

    def vectors(self, coordinates: NDArray[np.float32]) -> NDArray[np.float32]:
        """The points with these coordinates, float32 (n, dim)."""
        return coordinates @ self._basis.T + self._mean
