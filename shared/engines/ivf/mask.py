"""Masks of the rows of an index that may be hits."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shared.engines.ivf.reader import Postings


class Mask:
    """The rows that are left when some images are taken out. Made once, used by many queries.

    `left_out`: ordinals, int64 of shape (n,). `allowed`: whether each image, by ordinal, may be a
    hit otherwise, bool; None where all may.
    """

    def __init__(
        self,
        segments: Sequence[Postings],
        left_out: NDArray[np.int64],
        allowed: NDArray[np.bool_] | None = None,
    ) -> None:
        self._parts = [_Part(segment, left_out, allowed) for segment in segments]
        self.live = sum(part.live for part in self._parts)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """How many rows of each list may be hits; int64 of shape (clusters,)."""
        sizes = [np.diff(part.offsets) for part in self._parts]
        return np.asarray(np.sum(sizes, axis=0))

    @cached_property
    def arrays(self) -> tuple[tuple[NDArray[np.int64], NDArray[np.uint8] | None], ...]:
        """Return, of each segment, the number of its rows before each list, and its bits."""
        return tuple(
            (np.ascontiguousarray(part.offsets, np.int64), part.bits) for part in self._parts
        )

    def rows(self, segment: int) -> NDArray[np.bool_] | None:
        """Return whether each row may be a hit, bool of shape (rows,); None where all may."""
        return self._parts[segment].rows

    def bits(self, segment: int) -> NDArray[np.uint8] | None:
        """The same, a bit a row, the lowest first; None where all may."""
        return self._parts[segment].bits

    def held(self, segment: int, lists: NDArray[np.int64]) -> int:
        """How many rows of some lists may be hits."""
        offsets = self._parts[segment].offsets
        return int((offsets[lists + 1] - offsets[lists]).sum())


class _Part:
    def __init__(
        self, segment: Postings, left_out: NDArray[np.int64], allowed: NDArray[np.bool_] | None
    ) -> None:
        found = segment.find(left_out)
        found = found[found >= 0]
        self.rows: NDArray[np.bool_] | None = None
        self.bits: NDArray[np.uint8] | None = None
        self.offsets = segment.list_offsets
        self.live = segment.rows
        if allowed is not None:
            self.rows = allowed[segment.ordinals]
            self.rows[found] = False
            counted = np.concatenate([[0], np.cumsum(self.rows)])
            self.offsets = counted[segment.list_offsets]
            self.live = int(counted[-1])
        elif len(found):
            # Each deletion creates a new mask, so don't count all rows here.
            self.rows = np.ones(segment.rows, bool)
            self.rows[found] = False
            self.offsets = segment.list_offsets - np.searchsorted(
                np.sort(found), segment.list_offsets
            )
            self.live = segment.rows - len(found)
        if self.rows is not None:
            self.bits = np.packbits(self.rows, bitorder="little")
