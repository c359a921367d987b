"""One postings file, read through memory maps."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.core.errors import Corrupt
from shared.engines.ivf import layout
from shared.engines.ivf.codec import Codec
from shared.files.mapped import MappedFile, expect_scattered_reads, let_go

_BLOCK = 16_384
# A row that takes longer than this to fetch, in seconds, came from disk.
_SLOW_ROW = 3e-6


class Postings:
    """The posting lists of one segment. Immutable; safe to read from many threads."""

    def __init__(self, path: Path) -> None:
        file = MappedFile(path)
        self.path = path
        self.vectors: NDArray[np.floating] = file[layout.VECTORS]
        self.by_ordinal: NDArray[np.int64] = file[layout.BY_ORDINAL]
        # Small and used by every query, so copied to memory.
        self.norms: NDArray[np.float32] = np.array(file[layout.NORMS])
        self.ordinals: NDArray[np.int64] = np.array(file[layout.ORDINALS])
        self.list_offsets: NDArray[np.int64] = np.array(file[layout.LIST_OFFSETS])
        self.centroids: NDArray[np.float32] | None = None
        if layout.CENTROIDS in file:
            self.centroids = np.array(file[layout.CENTROIDS])
        self.codec: Codec | None = None
        if layout.PROJECTION in file:
            self.codec = Codec(
                np.array(file[layout.MEAN]),
                np.array(file[layout.PROJECTION]),
                np.array(file[layout.CODEBOOKS]),
            )
        self.codes: NDArray[np.uint8] | None = None
        if layout.CODES in file:
            self.codes = file[layout.CODES]
        rows = len(self.ordinals)
        per_row = [self.vectors, self.norms, self.by_ordinal]
        if self.codes is not None:
            per_row.append(self.codes)
        if any(len(array) != rows for array in per_row) or self.list_offsets[-1] != rows:
            raise Corrupt(f"{path.name}: its lists and its rows don't agree.")
        self.lengths = (0.0, 0.0)
        """The shortest and the longest length of a vector."""
        if rows:
            self.lengths = float(self.norms.min()), float(self.norms.max())
        expect_scattered_reads(self.vectors)
        # Open the file now, because a newer snapshot may remove its name before it is read.
        self.file = os.open(path, os.O_RDONLY)
        self._comes_from_disk = False

    def __del__(self) -> None:
        if hasattr(self, "file"):
            os.close(self.file)

    @property
    def rows(self) -> int:
        return len(self.ordinals)

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def clusters(self) -> int:
        return len(self.list_offsets) - 1

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some rows, ascending, at least one; float32 of shape (n, dim).

        Where the last scattered rows came from disk, these are asked for all at once before the
        first is waited for: a disk does many reads in little more than the time of one.
        """
        # A contiguous run of rows is a view of the map, not a copy.
        is_run = rows[-1] - rows[0] + 1 == len(rows)
        if is_run or self._comes_from_disk:
            self._read_ahead(rows)
        started = time.perf_counter()
        found = self.vectors[int(rows[0]) : int(rows[-1]) + 1] if is_run else self.vectors[rows]
        found = np.asarray(found, np.float32)
        if not is_run:
            self._comes_from_disk = time.perf_counter() - started > _SLOW_ROW * len(rows)
        return found

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Every vector: pairs of a first row and float32 of shape (n, dim).

        Memory holds one block at a time, of the file's pages too.
        """
        for start in range(0, self.rows, _BLOCK):
            yield start, self.gather(np.arange(start, min(start + _BLOCK, self.rows)))
            let_go(self.vectors)

    def rows_of_lists(self, lists: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row numbers of the given posting lists, one list after another."""
        starts = self.list_offsets[lists]
        sizes: NDArray[np.int64] = self.list_offsets[lists + 1] - starts
        # Ranges without a loop: a running count, minus each list's first count, plus its start.
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

    def _read_ahead(self, rows: NDArray[np.int64]) -> None:
        if not isinstance(self.vectors, np.memmap):
            return
        size = self.vectors.strides[0]
        # Adjacent rows are one read.
        edges = np.flatnonzero(np.diff(rows) > 1) + 1
        firsts = rows[np.concatenate([[0], edges])]
        lasts = rows[np.concatenate([edges - 1, [len(rows) - 1]])]
        begin = firsts * size + self.vectors.offset
        length = (lasts - firsts + 1) * size
        for offset, count in zip(begin.tolist(), length.tolist(), strict=True):
            os.posix_fadvise(self.file, offset, count, os.POSIX_FADV_WILLNEED)
