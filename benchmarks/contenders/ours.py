"""This project's index, in process, over a data folder that its own indexer built."""

import time
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks import product
from benchmarks.contenders.contender import Contender, Place, Setting
from services.query.search.probing import curve_for, plan
from shared.contracts.query import Metric, SearchOptions
from shared.contracts.stats import RecallCurve
from shared.ivf.index import InvertedIndex
from shared.ivf.reader import Postings

K = 10


class Ours(Contender):
    name: ClassVar[str] = "ours"

    def build(self, place: Place) -> dict[str, Any]:
        product.fill(place.folder(self.name), place.collection.blocks())
        return self.index(place)

    @staticmethod
    def index(place: Place) -> dict[str, Any]:
        """Builds from features that are there: what a build job does."""
        folder = place.folder(Ours.name)
        start = time.perf_counter()
        stages = product.build(folder)
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
        self._space, files = product.space(place.folder(self.name))
        self._index = InvertedIndex([Postings(file) for file in files], Metric.L2)

    def ladders(self) -> list[list[Setting]]:
        return [_ladder(self._space.recall)]

    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        asked = self._index.ask(query)
        lists = self._index.rank(asked, setting["nprobe"])
        found = self._index.scan(asked, lists, k, Metric.L2, setting.get("depth"))
        # Ordinals count from 1.
        return found.ordinals[:k] - 1

    def planned(self, target: float, k: int) -> Setting | None:
        chosen = plan(
            self._space.recall, Metric.L2, k, self._index.clusters, SearchOptions(), target
        )
        return _setting(chosen.nprobe, chosen.depth)


def _ladder(curves: list[RecallCurve]) -> list[Setting]:
    curve = curve_for(curves, Metric.L2, K)
    if curve is None:
        raise RuntimeError("no recall was measured for so many neighbours")
    return [_setting(point.nprobe, point.depth) for point in curve.points]


def _setting(nprobe: int, depth: int | None) -> Setting:
    return {"nprobe": nprobe} if depth is None else {"nprobe": nprobe, "depth": depth}
