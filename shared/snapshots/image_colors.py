"""Colours of one snapshot's images, as searches use them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.contracts.facts import COLORS_KEY, FILE
from shared.core.color_names import NAMES
from shared.snapshots.items import ItemsFile

Shares = NDArray[np.float32]


class ImageColors:
    """The shares of colours that the records of images tell; a newer file's record stands."""

    def __init__(self, files: Sequence[ItemsFile], size: int) -> None:
        """size: the number of ordinals there are."""
        self._files = files
        self._size = size

    @property
    def are_known(self) -> bool:
        """Return whether the colours of any image are known."""
        return any(file.metadata.has(_key(name)) for file in self._files for name in NAMES)

    def shares(self, names: Sequence[str]) -> Shares:
        """Return how much of each image, by ordinal, has colours: of several, an even share of
        each.
        """
        each = np.stack([self._of(name) for name in names])
        least: Shares = np.minimum(len(names) * each.min(axis=0), 1)
        return least

    def _of(self, name: str) -> Shares:
        found = np.zeros(self._size, np.float32)
        for number, file in enumerate(self._files):
            if number:
                found[file.ordinals] = 0
            images, shares = file.metadata.numbers(_key(name))
            found[images] = shares
        return found


def _key(name: str) -> str:
    return f"{FILE}.{COLORS_KEY}.{name}"
