"""Clusters anew only those lists of an index that drifted, and leaves the others as they are.

Images that are unlike the earlier ones crowd a few lists, far from their centroids. Those lists get
new centroids by K-means over their own rows, more of them where there are more rows, and rows of
the lists around move to a new centroid where that is nearer. This is what LIRE of SPFresh (Xu et
al., SOSP 2023) and IncrementalIVF (Xu et al., 2024) do list by list; here it's done for all drifted
lists at once, while a compaction writes the next segment.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.clustering.kmeans import nearest
from services.indexer.clustering.streaming import Rows, sample_rows, train_centroids
from shared.contracts.query import Metric
from shared.maths.distances import prepared

# A list is too long beyond this many times the mean when the centroids were made, which a build
# allows (see `kmeans.py`).
_LONGEST = 3
# New rows of a list tell of drift where they are this share of a mean list, and lie farther from
# their centroid than vectors did on average, and than its older rows, so many of which are looked
# at. The ratio is that of the advice in `health.py`.
_NEW_SHARE = 0.25
_DRIFT = 1.15
_OLDER = 64
# With more rows than this share in drifted lists, all is to be clustered anew.
_MOST = 0.5
# Smaller collections are equally fast without clusters.
_LEAST_ROWS = 2000
# The lists around each new centroid whose rows may move to it.
_AROUND = 64
_ROUNDS = 20
_BLOCK = 8192


@dataclass(frozen=True)
class Repair:
    """New centroids (clusters, dim) and the list of each row.

    split: lists that were clustered anew. moved: rows whose list is another one now. compared: how
    often a row was compared with a centroid, at most.
    """

    centroids: NDArray[np.float32]
    lists: NDArray[np.int64]
    split: int
    moved: int
    compared: int


@dataclass(frozen=True)
class Fit:
    """How lists fitted when the centroids were made: mean rows, and mean distance to a centroid."""

    rows: float
    spread: float


def drifted(
    vectors: Rows,
    lists: NDArray[np.int64],
    fresh: NDArray[np.int64],
    centroids: NDArray[np.float32],
    metric: Metric,
    fit: Fit,
) -> NDArray[np.int64]:
    """Return the lists that are too long, or whose new rows lie far from their centroid, ascending.

    lists: that of each row. fresh: the rows that came since the last compaction.
    """
    clusters = len(centroids)
    sizes = np.bincount(lists, minlength=clusters)
    added = np.bincount(lists[fresh], minlength=clusters)
    away = _distances(vectors, lists, fresh, centroids, metric)
    has_new = added >= max(_NEW_SHARE * fit.rows, 1)
    is_far = has_new & (away > _DRIFT * fit.spread)
    # A list may be a wide one from the beginning: so its new rows are compared with its older ones.
    older = _distances(
        vectors, lists, _some_older(lists, fresh, np.flatnonzero(is_far)), centroids, metric
    )
    is_far &= away > _DRIFT * older
    return np.flatnonzero(is_far | (has_new & (sizes > _LONGEST * fit.rows)))


def _distances(
    vectors: Rows,
    lists: NDArray[np.int64],
    rows: NDArray[np.int64],
    centroids: NDArray[np.float32],
    metric: Metric,
) -> NDArray[np.float64]:
    """Return the mean distance of some rows to the centroid of their list, by list; 0: it has none
    of them.
    """
    total = np.zeros(len(centroids))
    for start in range(0, len(rows), _BLOCK):
        some = rows[start : start + _BLOCK]
        away = np.linalg.norm(prepared(vectors[some], metric) - centroids[lists[some]], axis=1)
        total += np.bincount(lists[some], away, len(centroids))
    return total / np.maximum(np.bincount(lists[rows], minlength=len(centroids)), 1)


def _some_older(
    lists: NDArray[np.int64], fresh: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return up to so many rows of each chosen list that aren't fresh, evenly, ascending."""
    is_older = np.isin(lists, chosen)
    is_older[fresh] = False
    rows = np.flatnonzero(is_older)
    rows = rows[np.argsort(lists[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(lists[rows])) + 1
    parts = [part[:: -(-len(part) // _OLDER)] for part in np.split(rows, cuts) if len(part)]
    return np.sort(np.concatenate([*parts, np.empty(0, np.int64)]))


def repaired(
    vectors: Rows,
    lists: NDArray[np.int64],
    fresh: NDArray[np.int64],
    centroids: NDArray[np.float32],
    metric: Metric,
    fit: Fit,
    seed: int,
) -> Repair | None:
    """Return clusters of which only the drifted ones were made anew; None where none has drifted,
    or so many that a build is due. See `drifted`.
    """
    if len(lists) < _LEAST_ROWS or len(centroids) < 2:
        return None
    bad = drifted(vectors, lists, fresh, centroids, metric, fit)
    own = np.flatnonzero(np.isin(lists, bad))
    if not len(own) or len(own) > _MOST * len(lists):
        return None
    # As many rows a list as when the centroids were made, but each list is cut in two at least.
    count = min(max(round(len(own) / fit.rows), 2 * len(bad)), len(own))
    made = train_centroids(_Part(vectors, own), count, metric, seed)
    count_trained = len(sample_rows(len(own), count, seed))
    every = np.concatenate([centroids, made[len(bad) :]])
    every[bad] = made[: len(bad)]
    # Numbers of the new centroids in `every`.
    numbers = np.concatenate([bad, np.arange(len(centroids), len(every))])
    assigned = lists.copy()
    for start in range(0, len(own), _BLOCK):
        rows = own[start : start + _BLOCK]
        assigned[rows] = nearest(prepared(vectors[rows], metric), every)
    around = np.flatnonzero(np.isin(lists, _around(centroids, bad, made)))
    for start in range(0, len(around), _BLOCK):
        rows = around[start : start + _BLOCK]
        points = prepared(vectors[rows], metric)
        new = nearest(points, made)
        is_nearer = _squares(points, made[new]) < _squares(points, centroids[lists[rows]])
        assigned[rows[is_nearer]] = numbers[new[is_nearer]]
    compared = len(fresh) + _OLDER * len(bad) + len(own) * len(every) + len(around) * (count + 1)
    compared += count_trained * count * _ROUNDS
    moved = int((assigned != lists).sum())
    return Repair(every, assigned, len(bad), moved, compared)


def _around(
    centroids: NDArray[np.float32], bad: NDArray[np.int64], made: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Return the lists that stay, and whose centroids are the nearest to a new one."""
    stay = np.setdiff1d(np.arange(len(centroids)), bad)
    if len(stay) <= _AROUND:
        return stay
    kept = centroids[stay]
    away = np.einsum("ij,ij->i", kept, kept) - 2 * (made @ kept.T)
    return stay[np.unique(np.argpartition(away, _AROUND, axis=1)[:, :_AROUND])]


def _squares(points: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    differences = points - others
    found: NDArray[np.float32] = np.einsum("ij,ij->i", differences, differences)
    return found


class _Part:
    """Some rows of a collection, by their place among them."""

    def __init__(self, vectors: Rows, rows: NDArray[np.int64]) -> None:
        self._vectors = vectors
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._vectors[self._rows[numbers]]
