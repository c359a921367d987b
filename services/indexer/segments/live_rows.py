"""The rows of several segments that are not deleted, as one table."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.engines.ivf.reader import Postings


class LiveRows:
    """Vectors by their place among the rows that are kept, segment after segment."""

    def __init__(
        self,
        parts: Sequence[Postings],
        kept: Sequence[NDArray[np.bool_]],
        check: Callable[[], None],
    ) -> None:
        """kept: of each part, which rows are not deleted. check: raises where a job is over."""
        self._parts = parts
        self._check = check
        self._rows = [np.flatnonzero(rows) for rows in kept]
        self._starts = np.cumsum([0, *(len(rows) for rows in self._rows)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors at some places, float32 (n, dim)."""
        self._check()
        found = np.empty((len(numbers), self._parts[0].dim), np.float32)
        part_of = np.searchsorted(self._starts, numbers, side="right") - 1
        for number, (part, rows) in enumerate(zip(self._parts, self._rows, strict=True)):
            here = np.flatnonzero(part_of == number)
            found[here] = part.vectors[rows[numbers[here] - self._starts[number]]]
        return found

    def lists(self) -> NDArray[np.int64]:
        """Return the list of each row."""
        pairs = zip(self._parts, self._rows, strict=True)
        return np.concatenate([part.lists_of_rows(rows) for part, rows in pairs])

    def ordinals(self) -> NDArray[np.int64]:
        """Return the image of each row."""
        pairs = zip(self._parts, self._rows, strict=True)
        return np.concatenate([part.ordinals[rows] for part, rows in pairs])

    def fresh(self) -> NDArray[np.int64]:
        """Return the places of the rows of additions, all segments but the first."""
        return np.arange(self._starts[1], self._starts[-1])
