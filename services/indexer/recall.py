"""Measured recall: how much of the exact answer a search of some work finds.

One pass over the vectors finds the exact neighbours of a sample of queries. Where probed lists are
scanned exactly, a neighbour is found if and only if its list is among those probed: the rank of
each neighbour's cluster gives the whole curve at once. Where codes choose what is looked at, the
place of each neighbour in their order says how deep one has to look.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve, RecallPoint
from shared.ivf.coarse import Asked
from shared.ivf.distances import prepared
from shared.ivf.index import InvertedIndex
from shared.ivf.reader import Postings

KS = (10, 30, 100, 300, 1000)
_QUERIES = 256
# How much of what the probed clusters hold the codes may lose: at least, at most.
_LOSS = (0.001, 0.01)
# Codes are ranked so deep, in neighbours, and over clusters that hold this share of those.
_DEEPEST = 16
_NEARLY_ALL = 0.9995


def measure(
    index: InvertedIndex, space: str, seed: int, queries: NDArray[np.float32] | None = None
) -> list[RecallCurve]:
    """Curves for both metrics and each k of `KS`, or as many neighbours as there are.

    `queries`, float32 of shape (n, dim), are what will be asked; where none are given, a sample of
    the indexed vectors is asked, each without itself. Of an index with additions, it's the first
    segment that is measured.
    """
    postings = index.segments[0]
    own: NDArray[np.int64] | None = None
    if queries is None:
        rng = np.random.default_rng(seed)
        own = np.sort(rng.choice(postings.rows, min(_QUERIES, postings.rows), replace=False))
        queries = np.asarray(postings.vectors[own], np.float32)
    elif len(queries) > _QUERIES:
        keep = np.random.default_rng(seed).choice(len(queries), _QUERIES, replace=False)
        queries = queries[np.sort(keep)]
    available = postings.rows - (1 if own is not None else 0)
    # In a small collection the last curve is of all there is.
    ks = sorted({min(k, available) for k in KS})
    if not available or not len(queries):
        return []
    sample = _Sample(index, queries, own)
    # The metrics beside each other: much of the work keeps one thread busy.
    with ThreadPoolExecutor(len(Metric)) as threads:
        return list(
            chain.from_iterable(
                threads.map(lambda metric: sample.curves(space, metric, ks), Metric)
            )
        )


class _Sample:
    """Queries, float32 (n, dim), and the rank of each cluster for each of them.

    own: the row that each query is, where they are rows.
    """

    def __init__(
        self,
        index: InvertedIndex,
        queries: NDArray[np.float32],
        own: NDArray[np.int64] | None,
    ) -> None:
        self._index = index
        self._queries = queries
        self._own = own
        self._asked = [index.ask(query) for query in queries]
        self._ranks = np.stack([_ranks(index.rank(asked, index.clusters)) for asked in self._asked])
        self._scanned = _scanned_fractions(self._ranks, index.segments[0])

    def curves(self, space: str, metric: Metric, ks: list[int]) -> list[RecallCurve]:
        index, postings = self._index, self._index.segments[0]
        rows = _exact_neighbours(postings, self._queries, self._own, metric, max(ks))
        rank_of_neighbour = np.take_along_axis(self._ranks, postings.lists_of_rows(rows), axis=1)
        depths = None
        if index.is_coded(metric):
            depths = _Depths(index, self._asked, self._ranks, rows, self._own)
        points: dict[int, list[RecallPoint]] = {k: [] for k in ks}
        # The order of the codes is that of a number of probes, whatever k.
        for nprobe in _probes(index.clusters):
            for k in ks:
                recall = float(np.mean(rank_of_neighbour[:, :k] < nprobe))
                depth = None
                if depths is not None and nprobe < index.clusters:
                    least = points[k][-1].recall if points[k] else 0.0
                    depth, recall = depths.least(nprobe, k, recall, least)
                points[k].append(
                    RecallPoint(
                        nprobe=nprobe,
                        depth=depth,
                        recall=recall,
                        scanned_fraction=float(self._scanned[nprobe - 1]),
                    )
                )
        queries = len(self._queries)
        return [
            RecallCurve(space=space, metric=metric, k=k, queries=queries, points=points[k])
            for k in ks
        ]


class _Depths:
    """Where each exact neighbour stands in the order of the codes.

    One search of the codes a query, over so many clusters that they hold nearly all neighbours;
    what fewer clusters would give is the same order without the rows of the others.
    """

    def __init__(
        self,
        index: InvertedIndex,
        asked: list[Asked],
        ranks: NDArray[np.int64],
        neighbours: NDArray[np.int64],
        own: NDArray[np.int64] | None,
    ) -> None:
        postings = index.segments[0]
        of_neighbours = np.take_along_axis(ranks, postings.lists_of_rows(neighbours), axis=1)
        widest = int(np.quantile(of_neighbours, _NEARLY_ALL)) + 1
        self._deepest = min(_DEEPEST * neighbours.shape[1], postings.rows)
        # Of each row the codes chose: the rank of its cluster, and which neighbour it is.
        self._clusters = np.full((len(asked), self._deepest), index.clusters, np.int32)
        self._places = np.full(neighbours.shape, -1, np.int64)
        for number, query in enumerate(asked):
            lists = np.argsort(ranks[number], kind="stable")[:widest]
            rows = index.chosen_by_codes(query, lists, self._deepest)
            if own is not None:
                rows = rows[rows != own[number]]
            self._clusters[number, : len(rows)] = ranks[number][postings.lists_of_rows(rows)]
            by_row = np.argsort(rows)
            at = np.searchsorted(rows, neighbours[number], sorter=by_row)
            place = by_row[np.minimum(at, len(rows) - 1)]
            there = rows[place] == neighbours[number]
            self._places[number, there] = place[there]
        self._cached: tuple[int, NDArray[np.float64]] | None = None

    def least(self, nprobe: int, k: int, held: float, least: float) -> tuple[int, float]:
        """The least depth that loses little of what the probed clusters hold, and its recall.

        Little is half of what the probes themselves lose. `held`: share of the top k that the
        clusters hold. `least`: the recall of fewer probes, which must not be fallen below.
        """
        order = self._order(nprobe)[:, :k]
        aim = max(held - float(np.clip((1 - held) / 2, *_LOSS)), least)
        # One more than a neighbour's place in the order is the depth that takes it in.
        depths = np.sort(order[np.isfinite(order)]) + 1
        wanted = math.ceil(aim * order.size - 1e-9)
        if wanted <= 0 or wanted > len(depths):
            depth = self._deepest
        else:
            depth = max(int(depths[wanted - 1]), k)
        return depth, float(np.mean(order < depth))

    def _order(self, nprobe: int) -> NDArray[np.float64]:
        """The place of each neighbour among the rows of the probed clusters, or infinity."""
        if self._cached is None or self._cached[0] != nprobe:
            within = self._clusters < nprobe
            before = np.cumsum(within, axis=1, dtype=np.int32) - within
            place = np.maximum(self._places, 0)
            found = (self._places >= 0) & np.take_along_axis(within, place, axis=1)
            order = np.where(found, np.take_along_axis(before, place, axis=1), np.inf)
            self._cached = (nprobe, order)
        return self._cached[1]


def _probes(clusters: int) -> list[int]:
    """Numbers of probes to report: every one up to 16, then in steps of about 12 %, and all."""
    steps = list(range(1, min(clusters, 16) + 1))
    while steps[-1] < clusters:
        steps.append(min(clusters, steps[-1] + max(1, steps[-1] // 8)))
    return steps


def _ranks(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank, from 0, of every cluster, from their order."""
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks


def _scanned_fractions(ranks: NDArray[np.int64], postings: Postings) -> NDArray[np.float64]:
    """Mean share of all rows in the top 1, 2, … clusters; float64 of shape (clusters,)."""
    sizes = np.diff(postings.list_offsets)
    by_rank = np.zeros(ranks.shape)
    np.put_along_axis(by_rank, ranks, np.broadcast_to(sizes, ranks.shape), axis=1)
    found: NDArray[np.float64] = np.cumsum(by_rank, axis=1).mean(axis=0) / max(postings.rows, 1)
    return found


def _exact_neighbours(
    postings: Postings,
    queries: NDArray[np.float32],
    own: NDArray[np.int64] | None,
    metric: Metric,
    k: int,
) -> NDArray[np.int64]:
    """Rows of the exact top k of each query, nearest first; int64 of shape (n, k)."""
    points = prepared(queries, metric)
    best = np.full((len(queries), 0), np.inf, np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    for start, block in postings.blocks():
        block = prepared(block, metric)
        # The query's own norm shifts a whole row alike, so it's left out.
        distances = (block**2).sum(axis=1) - 2 * points @ block.T
        if own is not None:
            at = own - start
            inside = (at >= 0) & (at < len(block))
            distances[np.flatnonzero(inside), at[inside]] = np.inf
        best = np.concatenate([best, distances], axis=1)
        here = np.broadcast_to(np.arange(start, start + len(block)), distances.shape)
        rows = np.concatenate([rows, here], axis=1)
        if best.shape[1] > k:
            keep = np.argpartition(best, k - 1, axis=1)[:, :k]
            best = np.take_along_axis(best, keep, axis=1)
            rows = np.take_along_axis(rows, keep, axis=1)
    order = np.argsort(best, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1)
