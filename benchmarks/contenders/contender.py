"""Interface of a contender: it is built, opened and searched."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.collection import Collection

Setting = dict[str, Any]
"""Search parameters by name."""


@dataclass(frozen=True)
class Place:
    """A collection, and the folder of what is built from it."""

    collection: Collection
    root: Path

    def folder(self, contender: str) -> Path:
        return self.root / contender

    @property
    def centroids(self) -> NDArray[np.float32]:
        """Ours, for those that can take them: then the same lists are compared."""
        found: NDArray[np.float32] = np.load(self.root / "ours" / "centroids.npy")
        return found


class Contender(ABC):
    """Searched one query at a time, by one thread."""

    name: ClassVar[str]
    asks_rows: ClassVar[bool] = False
    """Whether a query is the number of an indexed row rather than a vector."""

    @abstractmethod
    def build(self, place: Place) -> dict[str, Any]:
        """Builds into its folder; what is to be told of it. `seconds` there replaces the whole."""

    @abstractmethod
    def open(self, place: Place) -> None:
        """Makes what was built ready, in a process of its own."""

    @abstractmethod
    def ladders(self) -> list[list[Setting]]:
        """Settings to try, of ascending work; several lists where two parameters play."""

    @abstractmethod
    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        """Rows of the base, the nearest first."""

    def planned(self, target: float, k: int) -> Setting | None:
        """Return its own choice for a recall; None where it can't choose."""
        return None

    def wake(self) -> None:  # noqa: B027
        """Called before a block of queries: a connection that was idle may have ended."""

    def close(self) -> None:  # noqa: B027
        """Ends what it started."""


def steps(first: int, last: int) -> list[int]:
    """first, …, last, each about an eighth more than the one before."""
    found = [first]
    while found[-1] < last:
        found.append(min(last, found[-1] + max(1, found[-1] // 8)))
    return found
