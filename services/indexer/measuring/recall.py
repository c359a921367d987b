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
        self._ranks = np.stack([_ranks(index.rank(asked, index.clusters)) for asked in self._asked])
        self._gaps = np.stack([index.gaps(asked) for asked in self._asked])

    def curves(self, space: str, metric: Metric, ks: list[int]) -> list[RecallCurve]:
        index, neighbours = self._index, self._neighbours[metric]
        depths = None
        if index.is_coded(metric):
            depths = _Depths(
                index, metric, self._asked, self._ranks, self._gaps, neighbours, self._own
            )
        clusters = index.clusters
        probes = [_Probes(count) for count in _steps(clusters, 4)]
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

    def _reaching(self, mean: int) -> "_Probes":
        """Return probes with the radius that gives this many clusters per query on average."""
        clusters = self._index.clusters
        if mean >= clusters:
            return _Probes(clusters)
        last = mean * len(self._gaps) - 1
        radius = float(np.partition(self._gaps, last, axis=None)[last])
        return _Probes(min(_TIMES_THE_MEAN * mean, clusters), radius)

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
        sizes = np.diff(postings.list_offsets) / max(postings.rows, 1)
        list_of_neighbour = postings.lists_of_rows(neighbours)
        points: dict[int, list[RecallPoint]] = {k: [] for k in ks}
        for step in steps:
            probed = step.take(self._ranks, self._gaps)
            held = np.take_along_axis(probed, list_of_neighbour, axis=1)
            is_all = step.nprobe >= self._index.clusters and step.radius is None
            order = None if depths is None or is_all else depths.order(step)
            for k in ks:
                recall, depth = float(np.mean(held[:, :k])), None
                if depths is not None and order is not None:
                    least = points[k][-1].recall if points[k] else 0.0
                    depth, recall = depths.least(order[:, :k], recall, least)
                points[k].append(
                    RecallPoint(
                        nprobe=step.nprobe,
                        reach=step.radius,
                        depth=depth,
                        recall=recall,
                        scanned_fraction=float((probed @ sizes).mean()),
                    )
                )
        return points


@dataclass(frozen=True)
class _Probes:
    """The `nprobe` nearest clusters, restricted to those within the radius, if there is one."""

    nprobe: int
    radius: float | None = None

    def take(self, ranks: NDArray[np.integer], gaps: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return a mask of the probed clusters, from the ranks and gaps of some."""
        taken = ranks < self.nprobe
        return taken if self.radius is None else taken & (gaps <= self.radius)


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
        gaps: NDArray[np.float32],
        neighbours: NDArray[np.int64],
        own: NDArray[np.int64] | None,
    ) -> None:
        postings = index.segments[0]
        self._is_other = metric is not index.metric
        list_of = np.repeat(np.arange(index.clusters), np.diff(postings.list_offsets))
        of_neighbours = np.take_along_axis(ranks, list_of[neighbours], axis=1)
        widest = int(np.quantile(of_neighbours, _NEARLY_ALL)) + 1
        self._deepest = min(_DEEPEST * neighbours.shape[1], postings.rows)
        # For each row that the codes chose: rank and gap of its cluster, and its place among the
        # neighbours.
        self._ranks = np.full((len(asked), self._deepest), index.clusters, np.int32)
        self._gaps = np.zeros((len(asked), self._deepest), np.float32)
        self._places = np.full(neighbours.shape, -1, np.int64)
        lists = [np.argsort(own_ranks, kind="stable")[:widest] for own_ranks in ranks]
        chosen = index.chosen_by_codes(asked, lists, self._deepest, metric)
        for number, found in enumerate(chosen):
            rows = found if own is None else found[found != own[number]]
            self._ranks[number, : len(rows)] = ranks[number][list_of[rows]]
            self._gaps[number, : len(rows)] = gaps[number][list_of[rows]]
            by_row = np.argsort(rows)
            at = np.searchsorted(rows, neighbours[number], sorter=by_row)
            place = by_row[np.minimum(at, len(rows) - 1)]
            there = rows[place] == neighbours[number]
            self._places[number, there] = place[there]

    def order(self, step: _Probes) -> NDArray[np.float64]:
        """The place of each neighbour among the rows of the probed clusters, or infinity; float64
        of the neighbours' shape."""
        within = step.take(self._ranks, self._gaps)
        before = np.cumsum(within, axis=1, dtype=np.int32) - within
        place = np.maximum(self._places, 0)
        found = (self._places >= 0) & np.take_along_axis(within, place, axis=1)
        return np.where(found, np.take_along_axis(before, place, axis=1), np.inf)

    def least(
        self, order: NDArray[np.float64], held: float, least: float
    ) -> tuple[int | None, float]:
        """Return the least depth that loses little of the neighbours in the probed clusters, and
        its recall; None where codes of the other metric lose more at any depth.

        Little is half of the loss by the probes. `order`: of the top k. `held`: share of them in
        the clusters. `least`: recall of fewer probes, which is a lower bound.
        """
        aim = max(held - float(np.clip((1 - held) / 2, *_LOSS)), least)
        # A neighbour at place n of the order needs a depth of n + 1.
        depths = np.sort(order[np.isfinite(order)]) + 1
        wanted = math.ceil(aim * order.size - 1e-9)
        if self._is_other and wanted > len(depths):
            return None, held
        if wanted <= 0 or wanted > len(depths):
            depth = self._deepest
        else:
            depth = max(int(depths[wanted - 1]), order.shape[1])
        return depth, float(np.mean(order < depth))


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
