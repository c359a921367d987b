"""Lloyd's K-means (1957/1982) on points in memory, over a growing share of them, with even lists.

The first rounds, which go the farthest, see few points (the nested batches of Newling & Fleuret,
NeurIPS 2016), and the last ones all. A list that grows too long is cut in two, with the centroid of
the shortest list: every probe of a long list costs.
"""

from collections.abc import Callable

import faiss
import numpy as np
from numpy.typing import NDArray

# The share of the points that each round sees, and for each centroid at least so many of them.
_SHARES = (0.25,) * 4 + (0.5,) * 4 + (1.0,) * 12
_MIN_POINTS = 39
# Lists over so many times the mean are cut, but not in the last rounds, which settle the rest.
_LONGEST = 3
_SETTLING = 2
_BLOCK = 65_536

Progress = Callable[[int, int], None]


def kmeans(
    points: NDArray[np.float32], clusters: int, seed: int, progress: Progress
) -> NDArray[np.float32]:
    """Centroids, float32 (clusters, dim), of points (n, dim) in random order, n >= clusters.

    `progress(round, rounds)` is called before each round; what it raises ends the work.
    """
    rng = np.random.default_rng(seed)
    centroids = points[:clusters].copy()
    before: NDArray[np.int64] | None = None
    for number, share in enumerate(_SHARES):
        progress(number + 1, len(_SHARES))
        seen = min(len(points), max(round(share * len(points)), _MIN_POINTS * clusters))
        labels = nearest(points[:seen], centroids)
        if seen == len(points) and before is not None and np.array_equal(labels, before):
            break
        centroids = _means(points[:seen], labels, centroids)
        if number < len(_SHARES) - _SETTLING:
            _even_out(points[:seen], labels, centroids, rng)
        before = labels
    return centroids


def nearest(points: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest centroid of each point by L2, int64 (n,)."""
    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(np.ascontiguousarray(centroids))
    found: NDArray[np.int64] = index.search(np.ascontiguousarray(points), 1)[1][:, 0]
    return found


def _means(
    points: NDArray[np.float32], labels: NDArray[np.int64], centroids: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The mean of each list; an empty list keeps its centroid."""
    sums = np.zeros(centroids.shape)
    for start in range(0, len(points), _BLOCK):
        order = np.argsort(labels[start : start + _BLOCK], kind="stable")
        lists, first = np.unique(labels[start : start + _BLOCK][order], return_index=True)
        sums[lists] += np.add.reduceat(points[start : start + _BLOCK][order], first, axis=0)
    sizes = np.bincount(labels, minlength=len(centroids))[:, None]
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), centroids).astype(np.float32)


def _even_out(
    points: NDArray[np.float32],
    labels: NDArray[np.int64],
    centroids: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    """Moves the centroids of empty and of the shortest lists into the longest ones, in place."""
    sizes = np.bincount(labels, minlength=len(centroids))
    by_size = np.argsort(sizes, kind="stable")
    starts = np.cumsum(sizes) - sizes
    members = np.argsort(labels, kind="stable")
    moves = max(int((sizes == 0).sum()), int((sizes > _LONGEST * sizes.mean()).sum()))
    for short, long in zip(by_size[:moves], by_size[::-1][:moves], strict=True):
        if 2 * sizes[short] >= sizes[long]:
            break
        # The two lie on either side of the mean, so the list falls apart about evenly.
        member = points[members[starts[long] + rng.integers(sizes[long])]]
        offset = (member - centroids[long]) / 8
        centroids[short] = centroids[long] + offset
        centroids[long] -= offset
