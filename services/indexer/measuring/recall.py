"""Measured recall: the share of the exact answer that a search with a given effort finds.

One pass over the vectors finds the exact neighbours of a sample of queries. If probed lists are
scanned exactly, a neighbour is found if and only if its list is probed, so the rank of each
neighbour's cluster and its distance beyond the nearest one give the whole curve. If codes choose
the candidates, the rank of each neighbour in their order gives the necessary depth.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from services.indexer.measuring.exact_neighbours import exact_neighbours
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve, RecallPoint
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import InvertedIndex

KS = (10, 30, 100, 300, 1000)
_QUERIES = 256
# Least and greatest share of the probed clusters' neighbours that codes may lose.
_LOSS = (0.001, 0.01)
# Depth to which codes are ranked, in multiples of the neighbours, over the clusters that contain
# this share of them.
_DEEPEST = 16
_NEARLY_ALL = 0.9995
_WORD = 64
# With a radius, a query probes at most this many times the mean, which bounds its time.
_TIMES_THE_MEAN = 2


def measure(
    index: InvertedIndex, space: str, seed: int, queries: NDArray[np.float32] | None = None
) -> list[RecallCurve]:
    """Return curves for both metrics and each k of `KS`, or as many neighbours as exist.

    `queries`, float32 of shape (n, dim), are expected queries; without them, a sample of the
    indexed vectors is searched, each without itself. In an index with additions, the first segment
    is measured.
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
    # A small collection's last curve covers all of its images.
    ks = sorted({min(k, available) for k in KS})
    if not available or not len(queries):
        return []
    sample = _Sample(index, queries, own, max(ks))
    # In parallel, because much of the work uses one thread.
    with ThreadPoolExecutor(len(Metric)) as threads:
        return list(
            chain.from_iterable(
                threads.map(lambda metric: sample.curves(space, metric, ks), Metric)
            )
        )


def work_for(
    curves: Sequence[RecallCurve], metric: Metric, k: int, target: float
) -> RecallPoint | None:
    """Return the work of a search for the first k; None: nothing to scan."""
    fitting = [curve for curve in curves if curve.metric is metric and curve.k >= k]
    return fitting[0].least_work(target) if fitting else None


class _Sample:
    """Queries, float32 (n, dim): the rank of each cluster and the exact top `most` of each.

    own: the row that each query is, where they are rows.
    """

    def __init__(
        self,
        index: InvertedIndex,
        queries: NDArray[np.float32],
        own: NDArray[np.int64] | None,
        most: int,
    ) -> None:
        self._index = index
        self._own = own
        self._neighbours = exact_neighbours(index.segments[0], queries, own, most)
        self._asked = [index.ask(query) for query in queries]
        order = np.stack([index.rank(asked, index.clusters) for asked in self._asked])
        self._ranks = np.stack([_ranks(lists) for lists in order])
        self._gaps = np.stack([index.gaps(asked) for asked in self._asked])
        # Rows in the nearest list, in the nearest two, and so on.
        self._rows = np.cumsum(np.diff(index.segments[0].list_offsets)[order], axis=1)

    def curves(self, space: str, metric: Metric, ks: list[int]) -> list[RecallCurve]:
        index, neighbours = self._index, self._neighbours[metric]
        depths = None
        if index.is_coded(metric):
            depths = _Depths(index, metric, self._asked, self._ranks, neighbours, self._own, ks)
        clusters = index.clusters
        probes = [self._probing(count) for count in _steps(clusters, 4)]
        reaches = [self._reaching(count) for count in _steps(clusters, 8)]
        points = self._points(probes, ks, neighbours, depths)
        by_reach = self._points(reaches, ks, neighbours, depths)
        return [
            RecallCurve(
                space=space,
                metric=metric,
                k=k,
                queries=len(self._asked),
                points=points[k],
                by_reach=by_reach[k],
            )
            for k in ks
        ]

    def _probing(self, count: int) -> "_Probes":
        return _Probes(count, None, np.full(len(self._asked), count))

    def _reaching(self, mean: int) -> "_Probes":
        """Return probes with the radius that gives this many clusters per query on average."""
        clusters = self._index.clusters
        if mean >= clusters:
            return self._probing(clusters)
        last = mean * len(self._gaps) - 1
        radius = float(np.partition(self._gaps, last, axis=None)[last])
        most = min(_TIMES_THE_MEAN * mean, clusters)
        return _Probes(most, radius, np.minimum((self._gaps <= radius).sum(axis=1), most))

    def _points(
        self,
        steps: list["_Probes"],
        ks: list[int],
        neighbours: NDArray[np.int64],
        depths: "_Depths | None",
    ) -> dict[int, list[RecallPoint]]:
        """Return the measured points of each step by k; every step includes the work of the one
        before.
        """
        postings = self._index.segments[0]
        ranks = np.take_along_axis(self._ranks, postings.lists_of_rows(neighbours), axis=1)
        points: dict[int, list[RecallPoint]] = {k: [] for k in ks}
        for step in steps:
            held = ranks < step.taken[:, None]
            is_all = step.nprobe >= self._index.clusters and step.radius is None
            found = None if depths is None or is_all else depths.found(step)
            rows = np.take_along_axis(self._rows, step.taken[:, None] - 1, axis=1)
            for k in ks:
                recall, depth = float(np.mean(held[:, :k])), None
                if depths is not None and found is not None:
                    least = points[k][-1].recall if points[k] else 0.0
                    depth, recall = depths.least(found[k], k, recall, least)
                points[k].append(
                    RecallPoint(
                        nprobe=step.nprobe,
                        reach=step.radius,
                        depth=depth,
                        recall=recall,
                        scanned_fraction=float(rows.mean()) / postings.rows,
                    )
                )
        return points


@dataclass(frozen=True)
class _Probes:
    """The `nprobe` nearest clusters, restricted to those within the radius, if there is one.

    taken: how many of the nearest clusters these are, of each query; int64 (queries,).
    """

    nprobe: int
    radius: float | None
    taken: NDArray[np.int64]


class _Depths:
    """Rank of each exact neighbour in the order of the codes.

    One search of the codes per query, over enough clusters to contain nearly all neighbours; the
    order for fewer clusters is the same without the rows of the others.
    """

    def __init__(
        self,
        index: InvertedIndex,
        metric: Metric,
        asked: list[PreparedQuery],
        ranks: NDArray[np.int64],
        neighbours: NDArray[np.int64],
        own: NDArray[np.int64] | None,
        ks: list[int],
    ) -> None:
        postings = index.segments[0]
        self._is_other = metric is not index.metric
        self._queries, self._ks = len(asked), ks
        of_neighbours = np.take_along_axis(ranks, postings.lists_of_rows(neighbours), axis=1)
        widest = int(np.quantile(of_neighbours, _NEARLY_ALL)) + 1
        self._deepest = min(_DEEPEST * neighbours.shape[1], postings.rows)
        # The rank of the cluster of each row that the codes chose, in whole words of bits.
        width = -(-self._deepest // _WORD) * _WORD
        small = np.min_scalar_type(index.clusters)
        self._ranks = np.full((len(asked), width), index.clusters, small)
        places = np.full(neighbours.shape, -1, np.int64)
        lists = [np.argsort(own_ranks, kind="stable")[:widest] for own_ranks in ranks]
        chosen = index.chosen_by_codes(asked, lists, self._deepest, metric)
        for number, found in enumerate(chosen):
            rows = found if own is None else found[found != own[number]]
            self._ranks[number, : len(rows)] = ranks[number][postings.lists_of_rows(rows)]
            by_row = np.argsort(neighbours[number])
            at = np.searchsorted(neighbours[number], rows, sorter=by_row)
            neighbour = by_row[np.minimum(at, len(by_row) - 1)]
            there = np.flatnonzero(neighbours[number][neighbour] == rows)
            places[number, neighbour[there]] = there
        # Those that the codes chose, the nearest of all queries first.
        neighbour, query = np.nonzero(places.T >= 0)
        place = places[query, neighbour]
        self._ends = np.searchsorted(neighbour, ks).tolist()
        self._word = query * (width // _WORD) + place // _WORD
        self._bit = (place % _WORD).astype(np.uint64)
        self._before = (np.uint64(1) << self._bit) - np.uint64(1)

    def found(self, step: _Probes) -> dict[int, NDArray[np.int64]]:
        """How many of the nearest k the codes find at each depth, from 1, among the rows of the
        probed clusters."""
        within = self._ranks < step.taken[:, None].astype(self._ranks.dtype)
        words = np.packbits(within, axis=1, bitorder="little").view("<u8")
        counts = np.bitwise_count(words)
        before = np.cumsum(counts, axis=1, dtype=np.int32) - counts
        own = words.ravel()[self._word]
        place = before.ravel()[self._word] + np.bitwise_count(own & self._before)
        is_probed = (own >> self._bit & np.uint64(1)).astype(bool)
        found: dict[int, NDArray[np.int64]] = {}
        at_each, start = np.zeros(self._deepest, np.int64), 0
        for k, end in zip(self._ks, self._ends, strict=True):
            some = place[start:end][is_probed[start:end]]
            at_each += np.bincount(some, minlength=self._deepest)
            found[k], start = np.cumsum(at_each), end
        return found

    def least(
        self, found: NDArray[np.int64], k: int, held: float, least: float
    ) -> tuple[int | None, float]:
        """Return the least depth that loses little of the neighbours in the probed clusters, and
        its recall; None where codes of the other metric lose more at any depth.

        Little is half of the loss by the probes. `found`: of the nearest k, by depth. `held`: share
        of them in the clusters. `least`: recall of fewer probes, which is a lower bound.
        """
        aim = max(held - float(np.clip((1 - held) / 2, *_LOSS)), least)
        total = k * self._queries
        wanted = math.ceil(aim * total - 1e-9)
        if self._is_other and wanted > found[-1]:
            return None, held
        if wanted <= 0 or wanted > found[-1]:
            depth = self._deepest
        else:
            depth = max(int(np.searchsorted(found, wanted)) + 1, k)
        return depth, float(found[depth - 1] / total)


def _steps(clusters: int, parts: int) -> list[int]:
    """Numbers of clusters: every one up to 16, then each a part more than the last, and all."""
    steps = list(range(1, min(clusters, 16) + 1))
    while steps[-1] < clusters:
        steps.append(min(clusters, steps[-1] + max(1, steps[-1] // parts)))
    return steps


def _ranks(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank, from 0, of every cluster, from their order."""
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks
