"""The nearest rows of a scan, block by block, until they are measured exactly."""

import numpy as np
from numpy.typing import NDArray


class NearestRows:
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
        away: NDArray[np.float32],
        margin: float,
    ) -> None:
        """Take rows with their distances in float32, each right but for the margin."""
        self._margin = max(self._margin, margin)
        self._segments = np.concatenate([self._segments, np.full(len(rows), segment)])
        self._rows = np.concatenate([self._rows, rows])
        self._distances = np.concatenate([self._distances, away])
        if len(self._distances) > self._k:
            kth = float(np.partition(self._distances, self._k - 1)[self._k - 1])
            keep = self._distances <= kth + self._margin
            self._segments = self._segments[keep]
            self._rows = self._rows[keep]
            self._distances = self._distances[keep]

    def survivors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the segments and the rows."""
        return self._segments, self._rows
