"""hnswlib: a graph over every vector in RAM."""

import os
from typing import Any, ClassVar

import hnswlib
import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.contender import Contender, Place, Setting, steps

_FILE = "graph.hnsw"
_M, _EF_CONSTRUCTION = 16, 200
_EF_MOST = 2000


class Hnsw(Contender):
    name: ClassVar[str] = "hnswlib"

    def build(self, place: Place) -> dict[str, Any]:
        rows, dim = place.collection.base.shape
        index = hnswlib.Index(space="l2", dim=dim)
        index.init_index(max_elements=rows, M=_M, ef_construction=_EF_CONSTRUCTION)
        index.set_num_threads(len(os.sched_getaffinity(0)))
        start = 0
        for block in place.collection.blocks():
            index.add_items(block, np.arange(start, start + len(block)))
            start += len(block)
        index.save_index(str(place.folder(self.name) / _FILE))
        return {}

    def open(self, place: Place) -> None:
        self._index = hnswlib.Index(space="l2", dim=place.collection.base.shape[1])
        self._index.load_index(str(place.folder(self.name) / _FILE))
        self._index.set_num_threads(1)

    def ladders(self) -> list[list[Setting]]:
        return [[{"ef": ef} for ef in steps(10, _EF_MOST)]]

    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        self._index.set_ef(max(k, setting["ef"]))
        rows, _ = self._index.knn_query(query, k)
        found: NDArray[np.int64] = rows[0].astype(np.int64)
        return found
