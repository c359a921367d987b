"""faiss IVF-Flat: the same lists, every vector in RAM."""

from typing import Any, ClassVar

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.contender import Contender, Place, Setting, steps

_FILE = "lists.faiss"


class FaissIvfFlat(Contender):
    name: ClassVar[str] = "faiss-ivfflat"

    def build(self, place: Place) -> dict[str, Any]:
        index = on_centroids(place.centroids)
        for block in place.collection.blocks():
            index.add(block)
        faiss.write_index(index, str(place.folder(self.name) / _FILE))
        return {}

    def open(self, place: Place) -> None:
        self._index = faiss.read_index(str(place.folder(self.name) / _FILE))

    def ladders(self) -> list[list[Setting]]:
        return [[{"nprobe": nprobe} for nprobe in steps(1, self._index.nlist)]]

    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        parameters = faiss.SearchParametersIVF(nprobe=setting["nprobe"])
        _, rows = self._index.search(query[None], k, params=parameters)
        found: NDArray[np.int64] = rows[0]
        return found


def on_centroids(centroids: NDArray[np.float32]) -> Any:
    """An empty IVF-Flat over given centroids."""
    clusters, dim = centroids.shape
    quantizer = faiss.IndexFlatL2(dim)
    quantizer.add(np.ascontiguousarray(centroids))
    index = faiss.IndexIVFFlat(quantizer, dim, clusters, faiss.METRIC_L2)
    # faiss frees the quantizer with the index; Python must not do so earlier.
    quantizer.this.disown()
    index.own_fields = True
    index.is_trained = True
    return index
