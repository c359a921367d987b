"""This project's index, in process, over a data folder that its own indexer built."""

import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks import product
from benchmarks.contenders.contender import Contender, Place, Setting, steps
from services.query.search.probing import curve_for, depth_for, plan
from shared.contracts.query import Metric, SearchOptions
from shared.contracts.stats import RecallCurve
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.reader import Postings

K = 10


class Ours(Contender):
    name: ClassVar[str] = "ours"
    times_auto: ClassVar[float] = 1
    """How many times the clusters that `auto` makes."""

    def build(self, place: Place) -> dict[str, Any]:
        product.fill(place.folder(self.name), place.collection.blocks())
        return self.index(place)

    @classmethod
    def index(cls, place: Place) -> dict[str, Any]:
        """Builds from features that are there: what a build job does."""
        folder = place.folder(cls.name)
        start = time.perf_counter()
        stages = product.build(folder, cls.times_auto)
        seconds = time.perf_counter() - start
        _, files = product.space(folder)
        centroids = Postings(files[0]).centroids
        if centroids is None:
            raise RuntimeError("the first segment has no centroids")
        np.save(folder / "centroids.npy", centroids)
        # Features are what came in; the index is what was made of them.
        index_mib = sum(file.stat().st_size for file in files) / 2**20
        return {"seconds": seconds, "stages": stages, "disk_mib": index_mib}

    def open(self, place: Place) -> None:
        self._open(place.folder(self.name))

    def _open(self, folder: Path) -> None:
        self._space, files = product.space(folder)
        self._index = InvertedIndex([Postings(file) for file in files], Metric.L2)

    def curve(self) -> RecallCurve:
        """Return the recall curve measured at build time for so many neighbours."""
        found = curve_for(self._space.recall, Metric.L2, K)
        if found is None:
            raise RuntimeError("no recall was measured for so many neighbours")
        return found

    def ladders(self) -> list[list[Setting]]:
        curve = self.curve()
        return [
            [_setting(point.nprobe, point.reach, point.depth) for point in points]
            for points in (curve.by_reach, curve.points)
        ]

    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        asked = self._index.ask(query)
        found = self._index.search(
            asked, setting["nprobe"], setting.get("reach"), k, Metric.L2, setting.get("depth")
        )
        # Ordinals count from 1.
        return found.ordinals[:k] - 1

    def planned(self, target: float, k: int) -> Setting | None:
        chosen = plan(
            self._space.recall, Metric.L2, k, self._index.clusters, SearchOptions(), target
        )
        return _setting(chosen.nprobe, chosen.radius, chosen.depth)


class FixedProbes(Ours):
    """Index of `ours`, searched with a fixed number of clusters."""

    name: ClassVar[str] = "ours-fixed-probes"

    def build(self, place: Place) -> dict[str, Any]:
        return {}

    def open(self, place: Place) -> None:
        self._open(place.folder(Ours.name))

    def ladders(self) -> list[list[Setting]]:
        curve = self.curve()
        counts = steps(1, self._index.clusters)
        return [[_setting(count, None, depth_for(curve, count, K)) for count in counts]]

    def planned(self, target: float, k: int) -> Setting | None:
        return None


class HalfTheClusters(Ours):
    name: ClassVar[str] = "ours-half-clusters"
    times_auto: ClassVar[float] = 0.5


class TwiceTheClusters(Ours):
    name: ClassVar[str] = "ours-twice-clusters"
    times_auto: ClassVar[float] = 2


def _setting(nprobe: int, reach: float | None, depth: int | None) -> Setting:
    given = {"nprobe": nprobe, "reach": reach, "depth": depth}
    return {name: value for name, value in given.items() if value is not None}
