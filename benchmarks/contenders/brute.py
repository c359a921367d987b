"""scikit-learn's brute force: every vector compared with every query."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from benchmarks.contenders.contender import Contender, Place, Setting


class Brute(Contender):
    name: ClassVar[str] = "sklearn-brute"

    def build(self, place: Place) -> dict[str, Any]:
        return {}

    def open(self, place: Place) -> None:
        self._index = NearestNeighbors(algorithm="brute", metric="euclidean", n_jobs=1)
        self._index.fit(np.array(place.collection.base))

    def ladders(self) -> list[list[Setting]]:
        return [[{}]]

    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self._index.kneighbors(query[None], k, return_distance=False)[0]
        return found
