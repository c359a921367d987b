"""Measured recall if another engine ranks the lists: the sample is searched at every step.

As in `recall.py`, one pass over the vectors finds the exact neighbours of a sample of queries. The
rank of each neighbour's list is unknown, so each number of probes is searched.
"""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from services.indexer.measuring.exact_neighbours import exact_neighbours
from services.indexer.measuring.recall import KS
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve, RecallPoint
from shared.engines.milvus.index import SPARE, MilvusIndex

_QUERIES = 256
# With many neighbours, fewer queries are as accurate, and each returns that many hits.
_LEAST_QUERIES = 24
_HITS = 4096
_AT_ONCE = 32
# Largest rise of recall between two steps of a curve, from the lowest target on.
_LEAP = 0.01
_LOWEST = 0.75
# Steps are no finer than this fraction of the probes.
_FINEST = 16


def measure(
    index: MilvusIndex, space: str, seed: int, queries: NDArray[np.float32] | None = None
) -> list[RecallCurve]:
    """Return curves for both metrics and each k of `KS`, or as many neighbours as exist.

    `queries`, float32 of shape (n, dim), are expected queries; without them, a sample of the
    indexed vectors is searched, each without itself.
    """
    rng = np.random.default_rng(seed)
    members = index.segments[0]
    own: NDArray[np.int64] | None = None
    if queries is None:
        own = rng.choice(members.rows, min(_QUERIES, members.rows), replace=False)
        queries = index.collection.read(members.ordinals[own])
    elif len(queries) > _QUERIES:
        queries = queries[rng.choice(len(queries), _QUERIES, replace=False)]
    available = members.rows - (1 if own is not None else 0)
    ks = sorted({min(k, available) for k in KS})
    if not available or not len(queries):
        return []
    neighbours = exact_neighbours(index, queries, own, max(ks))
    return [
        curve
        for metric, rows in neighbours.items()
        for curve in _curves(index, space, metric, members.ordinals[rows], queries, own, ks)
    ]


def _curves(
    index: MilvusIndex,
    space: str,
    metric: Metric,
    exact: NDArray[np.int64],
    queries: NDArray[np.float32],
    own: NDArray[np.int64] | None,
    ks: list[int],
) -> list[RecallCurve]:
    """`exact`: the ordinals of each query's neighbours, nearest first."""
    counts = {k: min(max(_HITS // k, _LEAST_QUERIES), len(queries)) for k in ks}

    def recalls(nprobe: int) -> list[float]:
        found = _searched(index, queries, own, metric, nprobe, counts)
        return [_share(exact[: counts[k], :k], found) for k in ks]

    steps = _measured_steps(index.clusters, recalls, len(ks))

    def point(nprobe: int, recall: float) -> RecallPoint:
        scanned = nprobe / index.clusters
        return RecallPoint(nprobe=nprobe, depth=None, recall=recall, scanned_fraction=scanned)

    return [
        RecallCurve(
            space=space,
            metric=metric,
            k=k,
            queries=counts[k],
            points=[point(nprobe, steps[nprobe][number]) for nprobe in sorted(steps)],
        )
        for number, k in enumerate(ks)
    ]


def _searched(
    index: MilvusIndex,
    queries: NDArray[np.float32],
    own: NDArray[np.int64] | None,
    metric: Metric,
    nprobe: int,
    counts: Mapping[int, int],
) -> list[NDArray[np.int64]]:
    """Return the candidates of each query, nearest first, without its own row.

    counts: number of queries for each number of neighbours. A query is searched once, for its
    largest number, whose first results serve the smaller ones.
    """
    found: list[NDArray[np.int64]] = []
    for k in sorted(counts, reverse=True):
        take = min(k + SPARE + 1, index.rows)
        for start in range(len(found), counts[k], _AT_ONCE):
            batch = queries[start : min(start + _AT_ONCE, counts[k])]
            answers = index.collection.search(batch, take, metric, nprobe, with_vectors=False)
            found += [answer.ordinals for answer in answers]
    if own is None:
        return found
    itself = index.segments[0].ordinals[own[: len(found)]]
    return [one[one != mine] for one, mine in zip(found, itself, strict=True)]


def _share(exact: NDArray[np.int64], found: list[NDArray[np.int64]]) -> float:
    """Return the share of the exact answers among the first candidates, compared as in a search."""
    firsts = [one[: exact.shape[1] + SPARE] for one in found[: len(exact)]]
    hits = [np.isin(wanted, one).mean() for wanted, one in zip(exact, firsts, strict=True)]
    return float(np.mean(hits))


def _measured_steps(
    clusters: int, recalls: Callable[[int], list[float]], curves: int
) -> dict[int, list[float]]:
    """The recalls of each curve at some numbers of probes: doubled from 1, and between two of them
    where targets lie and the first curve makes a leap."""
    steps: dict[int, list[float]] = {}
    nprobe = 1
    while nprobe < clusters and not (steps and min(steps[nprobe // 2]) == 1):
        steps[nprobe] = recalls(nprobe)
        nprobe *= 2
    # Probing every list is exact, and probing more lists never finds less.
    steps |= {n: [1.0] * curves for n in (min(nprobe, clusters), clusters)}
    while (between := _leap(steps)) is not None:
        steps[between] = recalls(between)
    return steps


def _leap(steps: dict[int, list[float]]) -> int | None:
    """A number of probes in the midst of the first two that differ too much."""
    for fewer, more in pairwise(sorted(steps)):
        leaps = steps[more][0] - steps[fewer][0] > _LEAP and steps[more][0] >= _LOWEST
        if leaps and more - fewer > 1 + fewer // _FINEST:
            return min(max(round(math.sqrt(fewer * more)), fewer + 1), more - 1)
    return None
