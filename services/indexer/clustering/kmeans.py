"""Lloyd's K-means (1957/1982) on points in memory, over a growing share of them, with even lists.

The first rounds, which go the farthest, see few points (the nested batches of Newling & Fleuret,
NeurIPS 2016), and the last ones all. A point that has a list is compared with the centroids around
its own alone (cluster closures: Wang et al., CVPR 2012). A list that grows too long is cut in two,
with the centroid of the shortest list: every probe of a long list costs.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
from numpy.typing import NDArray

from shared.maths.linear_algebra import one_thread
from shared.maths.parts import in_parts

# Shares of the points, with the most rounds that see so many, and the least number of points per
# centroid.
_STAGES = ((0.25, 4), (0.5, 4), (1.0, 12))
_MIN_POINTS = 39
# A stage ends once less than this share of its points changes its list in a round; the last stage
# is followed by rounds in which lists settle.
_CALM = (0.1, 0.06, 0.015)
# With fewer centroids few points change, however far they are from the end; and rounds are short.
_MANY = 100
# Clusters larger than this many times the mean are split, except in the last rounds.
_LONGEST = 3
_SETTLING = 2
# Rounds that compare points with every centroid; later ones compare only those near their own: a
# tenth of all, and at least so many.
_WIDE = 4
_AROUND = 64
_TENTH = 10
_UNKNOWN = -1
# Points that are compared at a time.
PART = 512

Progress = Callable[[int, int], None]


def kmeans(
    points: NDArray[np.float32], clusters: int, seed: int, progress: Progress
) -> NDArray[np.float32]:
    """Return centroids, float32 (clusters, dim), of points (n, dim) in random order, n >= clusters.

    `progress(round, rounds)` is called before each round, and may raise to end the work.
    """
    rng = np.random.default_rng(seed)
    centroids = points[:clusters].copy()
    lists = _Lists(points, clusters)
    number, rounds = 0, sum(most for _, most in _STAGES)
    for (share, most), calm in zip(_STAGES, _CALM, strict=True):
        seen = min(len(points), max(round(share * len(points)), _MIN_POINTS * clusters))
        is_last = share == _STAGES[-1][0]
        left = most
        while left > 0:
            progress(number + 1, rounds)
            moved = lists.assign(seen, centroids, wide=number < _WIDE)
            number, left = number + 1, left - 1
            if seen == len(points) and not moved:
                return centroids
            centroids = lists.means(centroids)
            if clusters >= _MANY and moved < calm * seen:
                left = min(left, _SETTLING if is_last else 0)
            if not is_last or left > _SETTLING:
                lists.even_out(centroids, rng)
    return centroids


def nearest(points: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest centroid of each point by L2, int64 (n,)."""
    found = np.empty(len(points), np.int64)
    half_norms = np.einsum("ij,ij->i", centroids, centroids) / 2

    def look(part: slice) -> None:
        distances = points[part] @ centroids.T
        found[part] = np.subtract(half_norms, distances, out=distances).argmin(axis=1)

    in_parts(look, len(points), PART)
    return found


def nearest_around(
    points: NDArray[np.float32],
    chosen: NDArray[np.int64],
    lists: NDArray[np.int64],
    centroids: NDArray[np.float32],
) -> NDArray[np.int64]:
    """The nearest of the centroids around that of its list, of each chosen point, int64 (n,)."""
    half_norms = np.einsum("ij,ij->i", centroids, centroids) / 2
    around = _around(centroids, half_norms)
    own = lists[chosen]
    members = np.argsort(own, kind="stable")
    ends = np.cumsum(np.bincount(own, minlength=len(centroids)))
    starts = np.concatenate([[0], ends[:-1]])
    found = np.empty_like(own)

    def look(numbers: NDArray[np.int64]) -> None:
        for number in numbers[ends[numbers] > starts[numbers]]:
            rows, candidates = members[starts[number] : ends[number]], around[number]
            distances = half_norms[candidates] - points[chosen[rows]] @ centroids[candidates].T
            found[rows] = candidates[distances.argmin(axis=1)]

    threads = faiss.omp_get_max_threads()
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        list(pool.map(look, np.array_split(np.arange(len(centroids)), 4 * threads)))
    return found


def _around(centroids: NDArray[np.float32], half_norms: NDArray[np.float32]) -> NDArray[np.int64]:
    """The centroids nearest to each, itself among them; int64 (clusters, n), in no order."""
    count = max(_AROUND, len(centroids) // _TENTH)
    if count >= len(centroids):
        return np.tile(np.arange(len(centroids)), (len(centroids), 1))
    found = np.empty((len(centroids), count), np.int64)

    def look(part: slice) -> None:
        distances = half_norms - centroids[part] @ centroids.T
        found[part] = np.argpartition(distances, count - 1, axis=1)[:, :count]

    in_parts(look, len(centroids), PART)
    return found


class _Lists:
    """Assignment of the points seen so far to lists, and the sum of each list."""

    def __init__(self, points: NDArray[np.float32], clusters: int) -> None:
        self._points = points
        self._labels = np.empty(0, np.int64)
        # Points whose centroid was moved elsewhere must be compared with every centroid.
        self._lost = np.empty(0, bool)
        self._sums = np.zeros((clusters, points.shape[1]))

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.bincount(self._labels, minlength=len(self._sums))

    def assign(self, seen: int, centroids: NDArray[np.float32], wide: bool) -> int:
        """Assign the first `seen` points to clusters; return the number of changes."""
        before = np.full(seen, _UNKNOWN)
        before[: len(self._labels)] = self._labels
        anew = before == _UNKNOWN
        anew[: len(self._lost)] |= self._lost
        if wide:
            anew[:] = True
        labels = np.empty(seen, np.int64)
        points = self._points[:seen]
        everywhere, nearby = np.flatnonzero(anew), np.flatnonzero(~anew)
        if len(everywhere):
            # Avoid copying all points, which would double the memory.
            remaining = points[everywhere] if len(nearby) else points
            labels[everywhere] = nearest(remaining, centroids)
        labels[nearby] = nearest_around(points, nearby, before, centroids)
        moved = np.flatnonzero(labels != before)
        self._add(moved, before[moved], -1)
        self._add(moved, labels[moved], 1)
        self._labels, self._lost = labels, np.zeros(seen, bool)
        return len(moved)

    def means(self, centroids: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean of each list; an empty list keeps its centroid."""
        sizes = self.sizes[:, None]
        return np.where(sizes > 0, self._sums / np.maximum(sizes, 1), centroids).astype(np.float32)

    def even_out(self, centroids: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Moves centroids of empty and of the shortest lists into the longest ones, in place."""
        sizes = self.sizes
        by_size = np.argsort(sizes, kind="stable")
        starts = np.cumsum(sizes) - sizes
        members = np.argsort(self._labels, kind="stable")
        moves = max(int((sizes == 0).sum()), int((sizes > _LONGEST * sizes.mean()).sum()))
        for short, long in zip(by_size[:moves], by_size[::-1][:moves], strict=True):
            if 2 * sizes[short] >= sizes[long]:
                break
            # The two lie on either side of the mean, so the cluster is split about evenly.
            member = self._points[members[starts[long] + rng.integers(sizes[long])]]
            offset = (member - centroids[long]) / 8
            centroids[short] = centroids[long] + offset
            centroids[long] -= offset
            self._lost[members[starts[short] : starts[short] + sizes[short]]] = True

    def _add(self, points: NDArray[np.int64], labels: NDArray[np.int64], sign: int) -> None:
        """Adds points to the sums of their lists, or takes them away."""
        known = labels != _UNKNOWN
        order = np.argsort(labels[known], kind="stable")
        lists, first = np.unique(labels[known][order], return_index=True)
        if len(lists):
            rows = self._points[points[known][order]]
            self._sums[lists] += sign * np.add.reduceat(rows, first, axis=0, dtype=np.float64)
