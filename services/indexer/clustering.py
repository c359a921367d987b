"""K-means over features that stream from disk; memory holds the sample, never the collection.

Lloyd's algorithm (1957/1982) as faiss implements it, over a seeded sample. For the cosine metric
vectors are normalised first, so that L2 between them orders as the angle does.
"""

import math
from collections.abc import Iterable

import faiss
import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.errors import InvalidInput
from shared.ivf.distances import prepared

_ITERATIONS = 20
# faiss's own advice: fewer points than this for each centroid, and centroids mean little.
_MIN_POINTS = 39
_MAX_POINTS = 256

Blocks = Iterable[tuple[int, NDArray[np.float32]]]


def cluster_count(wanted: int | str, rows: int) -> int:
    """The number of clusters: as asked, or for `auto` about 4 sqrt(rows), well filled.

    Raises InvalidInput when more clusters than images are asked for.
    """
    if isinstance(wanted, int):
        if wanted > max(rows, 1):
            raise InvalidInput(
                f"{wanted} clusters were asked for, but there are only {rows} images to cluster."
            )
        return wanted
    return max(1, min(round(4 * math.sqrt(rows)), rows // _MIN_POINTS))


def sample_rows(rows: int, clusters: int, seed: int) -> NDArray[np.int64]:
    """Which rows to train on, ascending: all, or 256 for each centroid, drawn by seed."""
    wanted = clusters * _MAX_POINTS
    if rows <= wanted:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, wanted, replace=False))


def train_centroids(
    sample: NDArray[np.float32], clusters: int, metric: Metric, seed: int
) -> NDArray[np.float32]:
    """Centroids, float32 (clusters, dim), from a sample of shape (n, dim), n >= clusters."""
    points = np.ascontiguousarray(prepared(sample, metric))
    if clusters == 1:
        mean: NDArray[np.float64] = points.mean(axis=0, keepdims=True, dtype=np.float64)
        return mean.astype(np.float32)
    kmeans = faiss.Kmeans(
        points.shape[1],
        clusters,
        niter=_ITERATIONS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=_MAX_POINTS,
    )
    kmeans.train(points)
    return np.asarray(kmeans.centroids, np.float32)


def assign(
    blocks: Blocks, rows: int, centroids: NDArray[np.float32], metric: Metric
) -> NDArray[np.int64]:
    """The nearest centroid of each row by L2, int64 (rows,)."""
    nearest = np.empty(rows, np.int64)
    quantizer = faiss.IndexFlatL2(centroids.shape[1])
    quantizer.add(np.ascontiguousarray(centroids))
    for start, block in blocks:
        _, found = quantizer.search(np.ascontiguousarray(prepared(block, metric)), 1)
        nearest[start : start + len(block)] = found[:, 0]
    return nearest
