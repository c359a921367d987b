"""The exact nearest vectors of a few queries, by both metrics, in one pass over all."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.core.processors import processors
from shared.maths.linear_algebra import one_thread

# Rows that are compared at a time: distances of that many stay in a processor's cache.
_PART = 512


class VectorReader(Protocol):
    """Vectors that are read from the first to the last: pairs of a row and float32 (n, dim)."""

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]: ...


class _Some(NamedTuple):
    """Rows and their distances, each of one query, by ascending query."""

    queries: NDArray[np.int64]
    rows: NDArray[np.int64]
    distances: NDArray[np.float32]


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
    with one_thread(), ThreadPoolExecutor(processors()) as threads:
        for start, block in stored.blocks():
            worst = {metric: nearest.worst() for metric, nearest in found.items()}

            def nearer(
                first: int,
                start: int = start,
                block: NDArray[np.float32] = block,
                worst: dict[Metric, NDArray[np.float32]] = worst,
            ) -> dict[Metric, _Some]:
                part = block[first : first + _PART]
                return _nearer(part, start + first, queries, own, worst)

            parts = list(threads.map(nearer, range(0, len(block), _PART)))
            seen = [[part[metric] for part in parts] for metric in found]
            list(threads.map(_Nearest.see, found.values(), seen))
    return {metric: nearest.rows() for metric, nearest in found.items()}


def _nearer(
    part: NDArray[np.float32],
    start: int,
    queries: NDArray[np.float32],
    own: NDArray[np.int64] | None,
    worst: dict[Metric, NDArray[np.float32]],
) -> dict[Metric, _Some]:
    """Rows of a part, which begins at row `start`, that are nearer to queries than the worst."""
    products = queries @ part.T
    squares = np.einsum("ij,ij->i", part, part, dtype=np.float64).astype(np.float32)
    norms = np.sqrt(squares)
    # Leave out the query's own term, which shifts all of its distances alike.
    by_metric = {
        Metric.L2: squares - 2 * products,
        Metric.COSINE: -products / np.where(norms > 0, norms, np.float32(1)),
    }
    found = {}
    for metric, distances in by_metric.items():
        if own is not None:
            at = own - start
            inside = (at >= 0) & (at < len(part))
            distances[np.flatnonzero(inside), at[inside]] = np.inf
        # After the first block few rows are nearer than the kth so far, and only those are sorted.
        places = np.flatnonzero(distances < worst[metric][:, None])
        numbers, columns = np.divmod(places, len(part))
        found[metric] = _Some(numbers, start + columns, distances.ravel()[places])
    return found


class _Nearest:
    """The k nearest rows that were seen, for each of n queries."""

    def __init__(self, queries: int, k: int) -> None:
        self._k = k
        self._distances = np.full((queries, k), np.inf, np.float32)
        self._rows = np.zeros((queries, k), np.int64)

    def worst(self) -> NDArray[np.float32]:
        """The distance of each query's kth so far."""
        worst: NDArray[np.float32] = self._distances.max(axis=1)
        return worst

    def see(self, parts: Sequence[_Some]) -> None:
        """Take the rows of some parts, in their order."""
        queries = np.concatenate([part.queries for part in parts])
        if not len(queries):
            return
        order = np.argsort(queries, kind="stable")
        nearer = np.concatenate([part.distances for part in parts])[order]
        rows = np.concatenate([part.rows for part in parts])[order]
        counts = np.bincount(queries, minlength=len(self._rows))
        ends = np.cumsum(counts)
        for query in np.flatnonzero(counts).tolist():
            its = slice(ends[query] - counts[query], ends[query])
            distances = np.concatenate([self._distances[query], nearer[its]])
            keep = np.argpartition(distances, self._k - 1)[: self._k]
            self._distances[query] = distances[keep]
            self._rows[query] = np.concatenate([self._rows[query], rows[its]])[keep]

    def rows(self) -> NDArray[np.int64]:
        """Nearest first, int64 (n, k)."""
        order = np.argsort(self._distances, axis=1, kind="stable")
        return np.take_along_axis(self._rows, order, axis=1)
