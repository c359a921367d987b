"""K-means over features that stream from disk; memory contains a sample, never the collection.

The sample is represented by coordinates in the directions in which it varies most, and the
centroids lie in that subspace, so that training and assignment cost the same for features of any
length. For the cosine metric vectors are normalised first, so that L2 gives the same order as the
angle.
"""

import math
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.indexer.clustering.kmeans import PART, Progress, kmeans, nearest
from services.indexer.clustering.subspace import Subspace
from shared.contracts.query import Metric
from shared.core.errors import InvalidInput
from shared.maths.distances import prepared
from shared.maths.parts import in_parts

# faiss recommends at least this many points per centroid.
_MIN_POINTS = 39
_POINTS = 128
_DIRECTIONS = 128
_SAMPLE_BYTES = 2**30
_BLOCK = 8192

Blocks = Iterable[tuple[int, NDArray[np.float32]]]


class Rows(Protocol):
    """Vectors that are read by their numbers; an array is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, numbers: NDArray[np.int64], /) -> NDArray[np.float32]: ...


def cluster_count(wanted: int | str, rows: int) -> int:
    """Return the number of clusters: as requested, or for `auto` about 2 sqrt(rows), well filled.

    Raises InvalidInput if more clusters than images are requested.
    """
    if isinstance(wanted, int):
        if wanted > max(rows, 1):
            raise InvalidInput(
                f"{wanted} clusters were asked for, but there are only {rows} images to cluster."
            )
        return wanted
    return max(1, min(round(2 * math.sqrt(rows)), rows // _MIN_POINTS))


def sample_rows(rows: int, clusters: int, seed: int) -> NDArray[np.int64]:
    """Return the rows to train on, ascending: all, or 128 for each centroid, drawn by seed.

    At least 8192 for few centroids; at most 2 million, which is 1 GiB, unless there are more
    centroids than that.
    """
    affordable = max(clusters, _SAMPLE_BYTES // (4 * _DIRECTIONS))
    wanted = min(max(clusters * _POINTS, _BLOCK), affordable)
    if rows <= wanted:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, wanted, replace=False))


def train_centroids(
    vectors: Rows,
    clusters: int,
    metric: Metric,
    seed: int,
    progress: Progress = lambda done, total: None,
) -> NDArray[np.float32]:
    """Return centroids, float32 (clusters, dim), for a collection of n >= clusters vectors.

    `progress(round, rounds)` is called before each round of K-means, and may raise to end the work.
    """
    chosen = sample_rows(len(vectors), clusters, seed)
    few = chosen[np.linspace(0, len(chosen) - 1, min(len(chosen), _BLOCK)).astype(np.int64)]
    # Without clusters the only centroid is the mean, which every subspace contains.
    directions = _DIRECTIONS if clusters > 1 else 1
    subspace = Subspace.leading(prepared(vectors[few], metric), directions)
    # K-means reads growing parts from the front, so the order must be random.
    places = np.random.default_rng(seed).permutation(len(chosen))
    points = np.empty((len(chosen), subspace.directions), np.float32)
    for start in range(0, len(chosen), _BLOCK):
        block = prepared(vectors[chosen[start : start + _BLOCK]], metric)
        points[places[start : start + _BLOCK]] = subspace.coordinates(block)
    return subspace.vectors(kmeans(points, clusters, seed, progress))


def assign(
    blocks: Blocks, rows: int, centroids: NDArray[np.float32], metric: Metric
) -> NDArray[np.int64]:
    """The nearest centroid of each row by L2, int64 (rows,)."""
    lists = np.empty(rows, np.int64)
    # Finding a subspace costs as much as assigning some thousand rows without one.
    count = min(_DIRECTIONS, len(centroids))
    subspace = Subspace.holding(centroids, count) if rows > _BLOCK else None
    within = centroids if subspace is None else subspace.coordinates(centroids)
    for start, block in blocks:
        own = lists[start : start + len(block)]

        def look(
            part: slice, block: NDArray[np.float32] = block, own: NDArray[np.int64] = own
        ) -> None:
            vectors = prepared(block[part], metric)
            if subspace is not None:
                vectors = subspace.coordinates(vectors)
            own[part] = nearest(vectors, within)

        in_parts(look, len(block), PART)
    return lists
