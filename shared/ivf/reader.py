"""One postings file, read through memory maps."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.errors import Corrupt
from shared.ivf import layout
from shared.ivf.mapped import MappedFile


class Postings:
    """The posting lists of one segment. Immutable; safe to read from many threads."""

    def __init__(self, path: Path) -> None:
        file = MappedFile(path)
        self.path = path
        self.vectors: NDArray[np.float32] = file[layout.VECTORS]
        self.norms: NDArray[np.float32] = file[layout.NORMS]
        self.ordinals: NDArray[np.int64] = file[layout.ORDINALS]
        self.by_ordinal: NDArray[np.int64] = file[layout.BY_ORDINAL]
        # Asked for by every query, and small: kept in memory.
        self.list_offsets: NDArray[np.int64] = np.array(file[layout.LIST_OFFSETS])
        self.centroids: NDArray[np.float32] | None = None
        if layout.CENTROIDS in file:
            self.centroids = np.array(file[layout.CENTROIDS])
        rows = len(self.ordinals)
        if len(self.vectors) != rows or self.list_offsets[-1] != rows:
            raise Corrupt(f"{path.name}: its lists and its rows don't agree.")

    @property
    def rows(self) -> int:
        return len(self.ordinals)

    @property
    def clusters(self) -> int:
        return len(self.list_offsets) - 1

    def rows_of_lists(self, lists: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row numbers of the given posting lists, one list after another."""
        starts = self.list_offsets[lists]
        sizes: NDArray[np.int64] = self.list_offsets[lists + 1] - starts
        # Ranges without a loop: a running count, less where each list began in it, plus its start.
        before = np.cumsum(sizes) - sizes
        rows: NDArray[np.int64] = np.arange(sizes.sum()) + np.repeat(starts - before, sizes)
        return rows

    def lists_of_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The posting list that each row stands in."""
        found: NDArray[np.int64] = np.searchsorted(self.list_offsets, rows, side="right") - 1
        return found

    def find(self, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each image, or -1 where it has none here. `ordinals`: int64, any order."""
        if not self.rows or not len(ordinals):
            return np.full(len(ordinals), -1, np.int64)
        at = np.searchsorted(self.ordinals, ordinals, sorter=self.by_ordinal)
        rows = np.asarray(self.by_ordinal[np.minimum(at, self.rows - 1)])
        return np.where(self.ordinals[rows] == ordinals, rows, -1)
