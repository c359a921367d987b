"""Transforms of a model's features before an index holds and compares them.

`l2` brings them to unit length. `pca:N` does so, keeps the N directions in which the collection
varies most (Pearson 1901), whitened by a quarter or by what pictures that look alike differ in, and
brings what's left to unit length again.
What was learned of a collection is a file of its snapshot:

    mean        (dim,)        float32
    projection  (dim, width)  float32
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.core.errors import Corrupt
from shared.files.mapped import MappedFile, write_arrays
from shared.maths.distances import prepared
from shared.maths.projection import Projection

Floats = NDArray[np.float32]


def read_projection(path: Path) -> Projection:
    """Raises Corrupt."""
    file = MappedFile(path)
    mean, axes = np.array(file["mean"]), np.array(file["projection"])
    if axes.ndim != 2 or mean.shape != axes.shape[:1]:
        raise Corrupt(f"{path.name}: its mean and its projection don't agree.")
    return Projection(mean, axes)


def write_projection(projection: Projection, path: Path) -> int:
    """Write the file; return the number of directions."""
    write_arrays(path, {"mean": projection.mean, "projection": projection.axes})
    return int(projection.axes.shape[1])


@dataclass(frozen=True)
class Transform:
    """`l2`, or `pca:N` with its parameters. Immutable. dim: length of its input."""

    name: str
    dim: int
    projection: Projection | None = None

    def __call__(self, features: Floats) -> Floats:
        """float32 (n, dim) -> float32 (n, width)."""
        points = prepared(features, Metric.COSINE)
        if self.projection is not None:
            points = prepared(self.projection(points).astype(np.float32), Metric.COSINE)
        return points


def transformed(
    blocks: Iterable[tuple[int, Floats]], transform: Transform | None
) -> Iterator[tuple[int, Floats]]:
    """Blocks of features, each with its start, as an index holds them."""
    for start, block in blocks:
        yield start, block if transform is None else transform(block)
