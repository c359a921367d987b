"""Worker process of a contender."""

import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import memory
from benchmarks.contenders import contender_named
from benchmarks.contenders.contender import Contender, Place, Setting
from shared.core.collector import collect_less


class Bench:
    """One contender, built or searched in this process."""

    def __init__(self, name: str) -> None:
        # As in the services' processes.
        collect_less()
        self._contender: Contender = contender_named(name)
        self._asked: NDArray[Any] = np.empty(0)

    def build(self, place: Place) -> dict[str, Any]:
        """Builds it into its folder; what that took."""
        folder = place.folder(self._contender.name)
        folder.mkdir(parents=True)
        start = time.perf_counter()
        detail = self._contender.build(place)
        seconds = time.perf_counter() - start
        return {
            "seconds": detail.pop("seconds", seconds),
            "peak_mib": memory.peak(os.getpid()),
            "disk_mib": memory.size_on_disk(folder),
            **detail,
        }

    def index(self, place: Place) -> dict[str, Any]:
        """Builds ours from features that are there already."""
        from benchmarks.contenders.ours import Ours

        return {**Ours.index(place), "peak_mib": memory.peak(os.getpid())}

    def open(self, place: Place) -> list[list[Setting]]:
        """Makes it ready to search; the settings it can be searched with."""
        contender, collection = self._contender, place.collection
        self._asked = collection.own_rows if contender.asks_rows else collection.queries
        self._anon = memory.resident(os.getpid())
        self._file = memory.resident(os.getpid(), "RssFile")
        contender.open(place)
        return contender.ladders()

    def planned(self, target: float, k: int) -> Setting | None:
        return self._contender.planned(target, k)

    def search(
        self, numbers: NDArray[np.int64], k: int, setting: Setting, warm: bool = True
    ) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
        """Rows found for queries of these numbers, asked one at a time, and seconds of each.

        warm: whether one is asked before, untimed: the others had the processor meanwhile.
        """
        self._contender.wake()
        if warm:
            self._contender.search(self._asked[numbers[-1]], k, setting)
        answers = []
        seconds = np.empty(len(numbers))
        for at, number in enumerate(numbers):
            query = self._asked[number]
            start = time.perf_counter()
            found = self._contender.search(query, k, setting)
            seconds[at] = time.perf_counter() - start
            answers.append(np.asarray(found, np.int64))
        return answers, seconds

    def held(self) -> dict[str, float]:
        """MiB above what the process held before it opened the contender."""
        return {
            "anonymous_mib": memory.resident(os.getpid()) - self._anon,
            "mapped_mib": memory.resident(os.getpid(), "RssFile") - self._file,
        }

    def read_bytes(self) -> int:
        return memory.read_from_disk(os.getpid())

    def close(self) -> None:
        self._contender.close()
