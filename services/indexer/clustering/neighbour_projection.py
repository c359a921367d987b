"""Projection that tells pictures apart by what pictures that look alike don't differ in.

PCA keeps the directions in which a collection varies most, whatever makes it vary. Pictures that
are each other's nearest neighbours mostly show the same, so what they differ in (light, side,
background) tells little. The directions are scaled down by the scatter of these pairs, as linear
discriminant analysis does by the scatter within classes; no tags are needed.
"""

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.maths.distances import prepared
from shared.maths.linear_algebra import one_thread, principal_axes
from shared.maths.projection import Projection

Floats = NDArray[np.float32]

LEAST_ROWS = 1024
"""Of fewer pictures, too few are each other's neighbours."""
_NEIGHBOURS = 5
_DIRECTIONS = 2
"""Directions to begin with, for each one that is kept."""
_EVEN = 1.0
"""Even scatter that is added, in means of the scatter, so that no direction is blown up."""
_COPY = 0.95
"""Cosine, after PCA, of pictures that count as one. Those of one kind have about 0.5."""
_ROWS = 8192
"""Pictures among which neighbours are looked for, at most: all pairs of them are compared."""
_CHUNK = 1024


def learn(sample: Floats, width: int) -> Projection:
    """From features, float32 (n, dim); width <= dim. Plain PCA where there are too few pairs."""
    first = Projection.learn(sample, min(_DIRECTIONS * width, *sample.shape))
    rows = sample[np.linspace(0, len(sample) - 1, min(_ROWS, len(sample))).astype(np.int64)]
    placed = first(prepared(rows, Metric.COSINE)).astype(np.float32)
    near = prepared(placed[:, :width], Metric.COSINE)
    kept = without_copies(near)
    pairs = mutual_neighbours(near[kept], _NEIGHBOURS)
    points = prepared(placed[kept], Metric.COSINE).astype(np.float64)
    apart = points[pairs[:, 0]] - points[pairs[:, 1]]
    scatter = apart.T @ apart / max(1, len(apart))
    mean = np.trace(scatter) / len(scatter)
    if len(pairs) < len(scatter) or not mean > 0:
        return Projection.learn(sample, width)
    with one_thread():
        spreads, axes = np.linalg.eigh(scatter + _EVEN * mean * np.eye(len(scatter)))
    scaled = axes / np.sqrt(spreads / mean)
    widest = principal_axes((points - points.mean(axis=0)) @ scaled)[:, :width]
    return Projection(first.mean, (first.axes @ (scaled @ widest)).astype(np.float32))


def without_copies(points: Floats) -> NDArray[np.int64]:
    """Return the rows that are no near copies of an earlier one, as in bursts and resized files.

    Copies would be each other's neighbours, and tell only what copying changes. points: as below.
    """
    is_copy = np.zeros(len(points), bool)
    for start in range(0, len(points), _CHUNK):
        cosines = points[start : start + _CHUNK] @ points.T
        earlier = np.arange(len(points)) < start + np.arange(len(cosines))[:, None]
        is_copy[start : start + _CHUNK] = ((cosines > _COPY) & earlier).any(axis=1)
    return np.flatnonzero(~is_copy)


def mutual_neighbours(points: Floats, count: int) -> NDArray[np.int64]:
    """Return the pairs of rows that are among each other's nearest `count`, (pairs, 2).

    points: float32 (n, dim) of length 1.
    """
    rows = len(points)
    count = min(count, rows - 1)
    if count < 1:
        return np.zeros((0, 2), np.int64)
    near = np.empty((rows, count), np.int64)
    for start in range(0, rows, _CHUNK):
        cosines = points[start : start + _CHUNK] @ points.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -np.inf
        near[start : start + _CHUNK] = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    one, other = np.repeat(np.arange(rows), count), near.ravel()
    keys = np.minimum(one, other) * rows + np.maximum(one, other)
    # A pair that was found from both sides.
    pairs, found = np.unique(keys, return_counts=True)
    both = pairs[found == 2]
    return np.stack([both // rows, both % rows], axis=1)
