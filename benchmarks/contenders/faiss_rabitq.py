"""faiss RaBitQ fast scan: the same lists as 1-bit codes in RAM, many times k compared exactly."""

from typing import Any, ClassVar

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.contender import Contender, Place, Setting, steps

_FILE = "codes.faiss"
_QUERY_BITS = 8
_REFINES = (10, 30)


class FaissRaBitQ(Contender):
    name: ClassVar[str] = "faiss-rabitq"

    def build(self, place: Place) -> dict[str, Any]:
        centroids = place.centroids
        clusters, dim = centroids.shape
        rotation = faiss.RandomRotationMatrix(dim, dim)
        rotation.init(1)
        quantizer = faiss.IndexFlatL2(dim)
        quantizer.add(rotation.apply(centroids))
        lists = faiss.IndexIVFRaBitQFastScan(quantizer, dim, clusters, faiss.METRIC_L2, 32)
        first = next(place.collection.blocks())
        lists.train(rotation.apply(first))
        index = faiss.IndexPreTransform(rotation, lists)
        for block in place.collection.blocks():
            index.add(block)
        faiss.write_index(index, str(place.folder(self.name) / _FILE))
        return {}

    def open(self, place: Place) -> None:
        self._index = faiss.read_index(str(place.folder(self.name) / _FILE))
        self._lists = faiss.downcast_index(self._index.index)
        self._base = place.collection.base

    def ladders(self) -> list[list[Setting]]:
        return [
            [{"nprobe": nprobe, "refine": refine} for nprobe in steps(1, self._lists.nlist)]
            for refine in _REFINES
        ]

    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        inner = faiss.IVFRaBitQSearchParameters()
        inner.nprobe, inner.qb = setting["nprobe"], _QUERY_BITS
        parameters = faiss.SearchParametersPreTransform(index_params=inner)
        _, found = self._index.search(query[None], setting["refine"] * k, params=parameters)
        rows = np.sort(found[0][found[0] >= 0])
        away = ((self._base[rows] - query) ** 2).sum(axis=1)
        nearest: NDArray[np.int64] = rows[np.argsort(away)[:k]]
        return nearest
