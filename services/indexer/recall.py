"""Measured recall: how much of the exact answer the top clusters hold.

Probed lists are scanned exactly, so an exact neighbour is found if and only if its list is among
those probed. One pass over the vectors finds the exact neighbours of a sample of queries; the rank
of each neighbour's cluster then gives the whole curve at once.
"""

import numpy as np
from numpy.typing import NDArray

from services.indexer.clustering import prepared
from shared.contracts.query import Metric, RecallCurve, RecallPoint
from shared.ivf.reader import Postings

KS = (10, 30, 100, 300, 1000)
_QUERIES = 256
_BLOCK = 16_384


def measure(
    postings: Postings,
    space: str,
    built_for: Metric,
    seed: int,
    queries: NDArray[np.float32] | None = None,
) -> list[RecallCurve]:
    """Curves for both metrics and each k of `KS`, or as many neighbours as there are.

    `queries`, float32 of shape (n, dim), are what will be asked; where none are given, a sample of
    the indexed vectors is asked, each without itself.
    """
    if postings.centroids is None:
        raise ValueError("recall is measured on the segment that has the centroids")
    own: NDArray[np.int64] | None = None
    if queries is None:
        rng = np.random.default_rng(seed)
        own = np.sort(rng.choice(postings.rows, min(_QUERIES, postings.rows), replace=False))
        queries = np.array(postings.vectors[own])
    elif len(queries) > _QUERIES:
        keep = np.random.default_rng(seed).choice(len(queries), _QUERIES, replace=False)
        queries = queries[np.sort(keep)]
    available = postings.rows - (1 if own is not None else 0)
    # In a small collection the last curve is of all there is.
    ks = sorted({min(k, available) for k in KS})
    if not available or not len(queries):
        return []
    ranks = _cluster_ranks(prepared(queries, built_for), postings.centroids)
    scanned = _scanned_fractions(ranks, postings)
    curves = []
    for metric in Metric:
        rows = _exact_neighbours(postings, queries, own, metric, max(ks))
        lists = postings.lists_of_rows(rows)
        rank_of_neighbour = np.take_along_axis(ranks, lists, axis=1)
        for k in ks:
            points = [
                RecallPoint(
                    nprobe=nprobe,
                    recall=float(np.mean(rank_of_neighbour[:, :k] < nprobe)),
                    scanned_fraction=float(scanned[nprobe - 1]),
                )
                for nprobe in _probes(postings.clusters)
            ]
            curves.append(
                RecallCurve(space=space, metric=metric, k=k, queries=len(queries), points=points)
            )
    return curves


def _probes(clusters: int) -> list[int]:
    """Numbers of probes to report: every one up to 16, then in steps of about 12 %, and all."""
    steps = list(range(1, min(clusters, 16) + 1))
    while steps[-1] < clusters:
        steps.append(min(clusters, steps[-1] + max(1, steps[-1] // 8)))
    return steps


def _cluster_ranks(
    queries: NDArray[np.float32], centroids: NDArray[np.float32]
) -> NDArray[np.int64]:
    """For each query the rank, from 0, of every cluster by L2; int64 of shape (n, clusters)."""
    distances = (centroids**2).sum(axis=1) - 2 * queries @ centroids.T
    order = np.argsort(distances, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None, :], axis=1)
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
    for start in range(0, postings.rows, _BLOCK):
        block = prepared(np.asarray(postings.vectors[start : start + _BLOCK]), metric)
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
