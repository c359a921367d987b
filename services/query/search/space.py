"""One vector space of a snapshot: rank the clusters by L2, scan the top ones, keep the best.

Scanning uses float32 and one matrix product a block; what survives, with a margin for rounding, is
measured again in float64, so that order and ties don't depend on where a row lies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric, RecallCurve
from shared.errors import BadVector, Corrupt
from shared.ivf.reader import Postings

_BLOCK = 32_768
# Float32 sums over a few thousand products are off by far less than this, relative to their size.
_ROUNDING = 2e-5
# The square of a vector of such numbers, of any length met, still fits float32.
_MAX_VALUE = 1e15


@dataclass(frozen=True)
class Candidates:
    """What a scan found, nearest first, ties in no order.

    ordinals, distances, clusters, ranks (of the cluster, from 1), segments (index): shape (n,).
    `scanned`: rows compared. `live`: rows there are. Both less the deleted ones.
    """

    ordinals: NDArray[np.int64]
    distances: NDArray[np.float64]
    clusters: NDArray[np.int64]
    ranks: NDArray[np.int64]
    segments: NDArray[np.int64]
    scanned: int
    live: int
    nprobe: int


class Space:
    """Posting lists over one set of centroids. Immutable; search parameters are arguments."""

    def __init__(
        self,
        fingerprint: str,
        metric: Metric,
        segments: Sequence[Postings],
        curves: Sequence[RecallCurve] = (),
    ) -> None:
        centroids = segments[0].centroids
        if centroids is None:
            raise Corrupt(f"{segments[0].path.name} should have the centroids, but has none.")
        self.fingerprint = fingerprint
        self.metric = metric
        self.segments = list(segments)
        self.centroids: NDArray[np.float32] = centroids
        self.curves = list(curves)
        self._centroid_norms = np.einsum("ij,ij->i", centroids, centroids)
        self._sizes = sum(np.diff(segment.list_offsets) for segment in segments)

    @property
    def dim(self) -> int:
        return int(self.centroids.shape[1])

    @property
    def clusters(self) -> int:
        return len(self.centroids)

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in self.segments)

    def checked(self, vector: NDArray[np.floating]) -> NDArray[np.float32]:
        """A query as float32 of shape (dim,). Raises BadVector."""
        query = np.asarray(vector)
        if query.shape != (self.dim,):
            raise BadVector(
                f"The vector has {query.size} numbers; vectors of {self.fingerprint} have "
                f"{self.dim}."
            )
        if not np.abs(query).max() < _MAX_VALUE:
            raise BadVector(
                f"The vector has numbers that are not finite, or not below {_MAX_VALUE:g}."
            )
        return query.astype(np.float32)

    def vector(self, ordinal: int) -> NDArray[np.float32] | None:
        """The stored vector of an image, float32 of shape (dim,), or None."""
        for segment in reversed(self.segments):
            row = int(segment.find(np.array([ordinal]))[0])
            if row >= 0:
                return np.array(segment.vectors[row])
        return None

    def ranked_clusters(self, query: NDArray[np.float32]) -> NDArray[np.int64]:
        """All clusters, the nearest to the query by L2 first."""
        point = _unit(query) if self.metric is Metric.COSINE else query
        distances = self._centroid_norms - 2 * (self.centroids @ point)
        return np.argsort(distances, kind="stable")

    def probes_to_hold(self, ranked: NDArray[np.int64], wanted: int) -> int:
        """How many of the ranked clusters it takes until they hold `wanted` rows."""
        held = np.cumsum(np.asarray(self._sizes)[ranked])
        return min(int(np.searchsorted(held, wanted)) + 1, self.clusters)

    def scan(
        self,
        query: NDArray[np.float32],
        ranked: NDArray[np.int64],
        nprobe: int,
        k: int,
        metric: Metric,
        dead: NDArray[np.int64],
    ) -> Candidates:
        """The k nearest within the first `nprobe` of the ranked clusters, and all ties with them.

        `dead`: ordinals to leave out, ascending.
        """
        nprobe = min(nprobe, self.clusters)
        best = _Best(k)
        scanned = live = 0
        for number, segment in enumerate(self.segments):
            alive = _alive(segment, dead)
            live += segment.rows if alive is None else int(alive.sum())
            for rows in self._blocks(segment, ranked[:nprobe]):
                kept = rows if alive is None else rows[alive[rows]]
                scanned += len(kept)
                if len(kept):
                    best.offer(number, kept, *_distances(segment, kept, query, metric))
        segments, rows = best.survivors()
        return self._measured(query, ranked, metric, segments, rows, scanned, live, nprobe)

    def among(
        self, query: NDArray[np.float32], ordinals: NDArray[np.int64], metric: Metric
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ordinals and exact distances of those of the given images that are in this space."""
        found, distances = [], []
        for segment in self.segments:
            rows = segment.find(ordinals)
            there = rows >= 0
            for start in range(0, int(there.sum()), _BLOCK):
                some = rows[there][start : start + _BLOCK]
                found.append(ordinals[there][start : start + _BLOCK])
                distances.append(_exact(np.asarray(segment.vectors[some]), query, metric))
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        return np.concatenate(found), np.concatenate(distances)

    def _blocks(self, segment: Postings, lists: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        if len(lists) == self.clusters:
            rows = np.arange(segment.rows)
        else:
            # Ascending, so that the disk is read in one direction.
            rows = segment.rows_of_lists(np.sort(lists))
        return [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]

    def _measured(
        self,
        query: NDArray[np.float32],
        ranked: NDArray[np.int64],
        metric: Metric,
        segments: NDArray[np.int64],
        rows: NDArray[np.int64],
        scanned: int,
        live: int,
        nprobe: int,
    ) -> Candidates:
        ordinals = np.empty(len(rows), np.int64)
        clusters = np.empty(len(rows), np.int64)
        distances = np.empty(len(rows), np.float64)
        for number, segment in enumerate(self.segments):
            here = segments == number
            ordinals[here] = segment.ordinals[rows[here]]
            clusters[here] = segment.lists_of_rows(rows[here])
            distances[here] = _exact(np.asarray(segment.vectors[rows[here]]), query, metric)
        rank_of = np.empty(self.clusters, np.int64)
        rank_of[ranked] = np.arange(1, self.clusters + 1)
        order = np.argsort(distances, kind="stable")
        return Candidates(
            ordinals[order],
            distances[order],
            clusters[order],
            rank_of[clusters[order]],
            segments[order],
            scanned,
            live,
            nprobe,
        )


class _Best:
    """The k least distances so far, and those too near to the k-th to be told apart."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._margin = 0.0
        self._segments = np.empty(0, np.int64)
        self._rows = np.empty(0, np.int64)
        self._distances = np.empty(0, np.float32)

    def offer(
        self,
        segment: int,
        rows: NDArray[np.int64],
        distances: NDArray[np.float32],
        margin: float,
    ) -> None:
        self._margin = max(self._margin, margin)
        self._segments = np.concatenate([self._segments, np.full(len(rows), segment)])
        self._rows = np.concatenate([self._rows, rows])
        self._distances = np.concatenate([self._distances, distances])
        if len(self._distances) > self._k:
            kth = float(np.partition(self._distances, self._k - 1)[self._k - 1])
            keep = self._distances <= kth + self._margin
            self._segments = self._segments[keep]
            self._rows = self._rows[keep]
            self._distances = self._distances[keep]

    def survivors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self._segments, self._rows


def _alive(segment: Postings, dead: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Which rows are not deleted, or None where all are alive."""
    if not len(dead):
        return None
    rows = segment.find(dead)
    rows = rows[rows >= 0]
    if not len(rows):
        return None
    alive = np.ones(segment.rows, bool)
    alive[rows] = False
    return alive


def _distances(
    segment: Postings, rows: NDArray[np.int64], query: NDArray[np.float32], metric: Metric
) -> tuple[NDArray[np.float32], float]:
    """1 - cosine, or L2 squared, of some rows, float32 of shape (n,); and how far off it may be."""
    contiguous = len(rows) == rows[-1] - rows[0] + 1
    where = slice(int(rows[0]), int(rows[-1]) + 1) if contiguous else rows
    norms = segment.norms[where]
    if metric is Metric.COSINE:
        cosine = (segment.vectors[where] @ _unit(query)) / np.where(norms > 0, norms, np.float32(1))
        return (1 - cosine).astype(np.float32, copy=False), _ROUNDING
    products: NDArray[np.float32] = segment.vectors[where] @ query
    squares = norms**2 + np.float32(np.linalg.norm(query)) ** 2
    # Two near vectors' squares cancel out: what is left is as uncertain as the squares are.
    distances = (squares - 2 * products).astype(np.float32, copy=False)
    return distances, _ROUNDING * float(squares.max())


def _unit(query: NDArray[np.float32]) -> NDArray[np.float32]:
    """At length 1, or zero as it is. In float64: a small number's square is 0 in float32."""
    norm = np.linalg.norm(query.astype(np.float64))
    return (query / norm).astype(np.float32) if norm > 0 else query


def _exact(
    vectors: NDArray[np.float32], query: NDArray[np.float32], metric: Metric
) -> NDArray[np.float64]:
    """1 - cosine, or L2 (not squared), in float64: shape (n, dim) -> (n,). Zero has cosine 0."""
    points = vectors.astype(np.float64)
    point = query.astype(np.float64)
    if metric is Metric.L2:
        away: NDArray[np.float64] = np.sqrt(((points - point) ** 2).sum(axis=1))
        return away
    lengths = np.sqrt((points**2).sum(axis=1)) * np.sqrt((point**2).sum())
    cosine: NDArray[np.float64] = (points * point).sum(axis=1) / np.where(lengths > 0, lengths, 1)
    return np.clip(1 - cosine, 0, 2)
