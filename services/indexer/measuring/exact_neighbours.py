"""The exact nearest vectors of a few queries, by both metrics, in one pass over all."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric


class VectorReader(Protocol):
    """Vectors that are read from the first to the last: pairs of a row and float32 (n, dim)."""

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]: ...


def exact_neighbours(
    stored: VectorReader,
    queries: NDArray[np.float32],
    own: NDArray[np.int64] | None,
    k: int,
) -> dict[Metric, NDArray[np.int64]]:
    """Rows of the exact top k of each query, nearest first; int64 of shape (n, k), by metric.

    `queries`: float32 (n, dim). `own`: the row that each query is, which isn't its own neighbour;
    without these, there are k rows at least.
    """
    found = {metric: _Nearest(len(queries), k) for metric in Metric}
    for start, block in stored.blocks():
        products = queries @ block.T
        squares = np.einsum("ij,ij->i", block, block, dtype=np.float64).astype(np.float32)
        norms = np.sqrt(squares)
        # Leave out the query's own term, which shifts all of its distances alike.
        by_metric = {
            Metric.L2: squares - 2 * products,
            Metric.COSINE: -products / np.where(norms > 0, norms, np.float32(1)),
        }
        for metric, distances in by_metric.items():
            if own is not None:
                at = own - start
                inside = (at >= 0) & (at < len(block))
                distances[np.flatnonzero(inside), at[inside]] = np.inf
            found[metric].see(start, distances)
    return {metric: nearest.rows() for metric, nearest in found.items()}


class _Nearest:
    """The k nearest rows that were seen, for each of n queries."""

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._distances = np.full((queries, k), np.inf, np.float32)
        self._rows = np.zeros((queries, k), np.int64)

    def see(self, start: int, distances: NDArray[np.float32]) -> None:
        """Rows start, start + 1, …, whose distances are float32 of shape (n, rows)."""
        # After the first block few rows are nearer than the kth so far, and only those are sorted.
        worst = self._distances.max(axis=1)
        queries, columns = np.nonzero(distances < worst[:, None])
        if not len(queries):
            return
        counts = np.bincount(queries, minlength=len(distances))
        places = np.arange(len(queries)) - np.repeat(np.cumsum(counts) - counts, counts)
        shape = (len(distances), int(counts.max()))
        nearer, rows = np.full(shape, np.inf, np.float32), np.zeros(shape, np.int64)
        nearer[queries, places] = distances[queries, columns]
        rows[queries, places] = start + columns
        nearer = np.concatenate([self._distances, nearer], axis=1)
        rows = np.concatenate([self._rows, rows], axis=1)
        keep = np.argpartition(nearer, self._k - 1, axis=1)[:, : self._k]
        self._distances = np.take_along_axis(nearer, keep, axis=1)
        self._rows = np.take_along_axis(rows, keep, axis=1)

    def rows(self) -> NDArray[np.int64]:
        """Nearest first, int64 (n, k)."""
        order = np.argsort(self._distances, axis=1, kind="stable")
        return np.take_along_axis(self._rows, order, axis=1)
