"""The exact answer, and how much of it an answer has."""

from collections.abc import Iterable

import faiss
import numpy as np
from numpy.typing import NDArray

# Rounding in float32 may swap neighbours: so many more are kept, and measured in float64.
_SPARE = 30
# Relative; what float64 itself rounds, summed over some thousand dimensions.
_ROUNDING = 1e-12


def nearest(
    blocks: Iterable[NDArray[np.float32]], queries: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """L2 distances (not squared) and rows of the k nearest of each query; of shape (n, k).

    blocks: every vector, in order; one is in memory at a time.
    """
    ids = np.full((len(queries), 0), -1, np.int64)
    away = np.full((len(queries), 0), np.inf)
    start = 0
    for block in blocks:
        wanted = min(k + _SPARE, len(block))
        _, found = faiss.knn(queries, np.ascontiguousarray(block, np.float32), wanted)
        measured = np.stack(
            [distances(block, one, rows) for one, rows in zip(queries, found, strict=True)]
        )
        ids = np.concatenate([ids, found + start], axis=1)
        away = np.concatenate([away, measured], axis=1)
        order = np.argsort(away, axis=1, kind="stable")[:, :k]
        ids, away = np.take_along_axis(ids, order, 1), np.take_along_axis(away, order, 1)
        start += len(block)
    return away, ids


def distances(
    vectors: NDArray[np.float32], query: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """L2 of some rows to a query, in float64."""
    found: NDArray[np.float64] = np.linalg.norm(
        vectors[rows].astype(np.float64) - query.astype(np.float64), axis=1
    )
    return found


def recall(answer: NDArray[np.float64], kth: float, k: int) -> float:
    """The share of an exact top k that an answer has: what is no farther than the true k-th.

    answer: exact distances of its rows, each row once. So any of several equally far ones counts.
    """
    good = int(np.sum(answer <= kth * (1 + _ROUNDING)))
    return min(good, k) / k
