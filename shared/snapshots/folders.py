"""The folders that the images of an items file lie in."""

import numpy as np
from numpy.typing import NDArray

from shared.contracts.facts import FILE
from shared.snapshots.sort_columns import SortColumns

FOLDER = f"{FILE}.folder"
"""Key of an image's folder in filters; it is that of its first path."""


class FolderIndex:
    """Folder of each row. `names`: the folders; "" is none."""

    def __init__(self, columns: SortColumns, rows: int) -> None:
        numbers: dict[str, int] = {}
        self.of_row: NDArray[np.int32] = np.empty(rows, np.int32)
        for row in range(rows):
            folder = columns.name(row).rpartition(b"\0")[2].decode(errors="replace")
            self.of_row[row] = numbers.setdefault(folder, len(numbers))
        self.names = list(numbers)
        self._numbers = numbers

    def rows_in(self, folder: str) -> NDArray[np.int64]:
        """Return the rows of the images that lie in a folder, not below it."""
        number = self._numbers.get(folder)
        if number is None:
            return np.empty(0, np.int64)
        return np.flatnonzero(self.of_row == number)
