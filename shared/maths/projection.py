"""The directions in which a collection's features vary most, and projections on them.

It knows no files, so that it can be sent to a service without an index.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.core.errors import BadVector
from shared.maths.distances import prepared
from shared.maths.linear_algebra import principal_axes

Floats = NDArray[np.float32]

WHITENING = 0.25
"""Power of each direction's standard deviation that it is divided by; 1 would be all of it."""
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Projection:
    """mean: float32 (dim,). axes: float32 (dim, width)."""

    mean: Floats
    axes: Floats

    @classmethod
    def learn(cls, sample: Floats, width: int) -> Self:
        """From features, float32 (n, dim); width <= dim."""
        points = prepared(sample, Metric.COSINE)
        mean = points.mean(axis=0, dtype=np.float64)
        centred = points - mean.astype(np.float32)
        axes = principal_axes(centred)[:, :width]
        spread = (centred @ axes).std(axis=0, dtype=np.float64)
        # Directions without any spread would be all noise.
        spread = np.maximum(spread, spread.max() * _LEAST_SPREAD) if spread.max() > 0 else 1.0
        # Up to a factor, which no comparison by angle sees.
        return cls(
            mean.astype(np.float32),
            (axes * (spread / np.max(spread)) ** -WHITENING).astype(np.float32),
        )

    @classmethod
    def from_bytes(cls, data: bytes, dim: int) -> Self:
        """Parse the output of `to_bytes`, for features of `dim` numbers. Raises BadVector."""
        if not data or len(data) % (4 * dim) or not 1 < len(data) // (4 * dim) <= dim + 1:
            raise BadVector(
                f"{len(data)} bytes are no transform of features of {dim} numbers: float32 rows of "
                "that length, the mean and 1 direction or more, are."
            )
        rows = np.frombuffer(data, "<f4").reshape(-1, dim).astype(np.float32)
        if not np.isfinite(rows).all():
            raise BadVector("The transform has numbers that are not finite.")
        return cls(rows[0], rows[1:].T)

    def to_bytes(self) -> bytes:
        """Return the projection as bytes: little-endian float32 rows of dim numbers, the mean, then
        each direction.
        """
        return np.vstack([self.mean, self.axes.T]).astype("<f4").tobytes()

    def __call__(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """(n, dim) of unit length -> (n, width). It is affine: a mean stays a mean."""
        placed: NDArray[np.floating] = (points - self.mean) @ self.axes
        return placed
