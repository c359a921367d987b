"""Finds what a contender needs for a recall: the least setting that reaches it."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.collection import Collection
from benchmarks.contenders.contender import Setting
from benchmarks.worker import Worker

# A slow contender is asked fewer queries, but at least so many, in about so many seconds.
_LEAST_QUERIES = 100
_SECONDS = 4.0
_COARSE = 4


@dataclass(frozen=True)
class Point:
    """One setting, measured: mean recall over some queries, mean seconds of one."""

    setting: Setting
    recall: float
    seconds: float
    queries: int

    def plain(self) -> dict[str, Any]:
        return asdict(self)


class Sweep:
    """The settings of one open contender, each measured at most once."""

    def __init__(
        self, worker: Worker, collection: Collection, k: int, queries: int, own: bool
    ) -> None:
        self._worker, self._collection = worker, collection
        self._k, self._own = k, own
        self._numbers = np.arange(queries)
        self._seen: dict[tuple[tuple[str, int], ...], Point] = {}

    @property
    def points(self) -> list[Point]:
        return sorted(self._seen.values(), key=lambda point: point.recall)

    def measure(self, setting: Setting) -> Point:
        key = tuple(sorted(setting.items()))
        if key not in self._seen:
            self._seen[key] = self._measure(setting)
        return self._seen[key]

    def least(self, ladder: list[Setting], target: float) -> Point | None:
        """The first of a ladder whose recall reaches the target; None where none does."""
        # Every fourth step up to the target; then between the last that missed it and that.
        low, high = -1, None
        for at in [*range(0, len(ladder) - 1, _COARSE), len(ladder) - 1]:
            if self.measure(ladder[at]).recall >= target:
                high = at
                break
            low = at
        if high is None:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self.measure(ladder[middle]).recall >= target:
                high = middle
            else:
                low = middle
        return self.measure(ladder[high])

    def _measure(self, setting: Setting) -> Point:
        first = self._ask(self._numbers[:_LEAST_QUERIES], setting)
        recalls, seconds = first
        each = float(seconds.mean())
        more = min(len(self._numbers), int(_SECONDS / max(each, 1e-9)))
        if more > len(recalls):
            rest = self._ask(self._numbers[len(recalls) : more], setting)
            recalls = np.concatenate([recalls, rest[0]])
            seconds = np.concatenate([seconds, rest[1]])
        return Point(setting, float(recalls.mean()), float(np.mean(seconds)), len(recalls))

    def _ask(
        self, numbers: NDArray[np.int64], setting: Setting
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        answers, seconds = self._worker.call("search", numbers=numbers, k=self._k, setting=setting)
        return self._collection.recalls(numbers, answers, self._k, self._own), seconds
