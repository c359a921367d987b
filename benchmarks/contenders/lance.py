"""LanceDB: product-quantized lists on disk, refined with the vectors themselves."""

from collections.abc import Iterator
from typing import Any, ClassVar

import lancedb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.contenders.contender import Contender, Place, Setting, steps

_NAME = "vectors"
# Dimensions a code byte.
_DIMS = 8
_REFINES = (10, 30, 100)


class Lance(Contender):
    name: ClassVar[str] = "lancedb"

    def build(self, place: Place) -> dict[str, Any]:
        dim = place.collection.base.shape[1]
        kind = pa.list_(pa.float32(), dim)
        schema = pa.schema([("id", pa.int64()), ("vector", kind)])

        def batches() -> Iterator[Any]:
            start = 0
            for block in place.collection.blocks():
                ids = pa.array(np.arange(start, start + len(block)))
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), dim)
                yield pa.record_batch([ids, vectors], schema=schema)
                start += len(block)

        table = lancedb.connect(place.folder(self.name)).create_table(
            _NAME, data=batches(), schema=schema
        )
        table.create_index(
            metric="l2",
            num_partitions=len(place.centroids),
            num_sub_vectors=dim // _DIMS,
            index_type="IVF_PQ",
            vector_column_name="vector",
        )
        table.wait_for_index([index.name for index in table.list_indices()])
        return {}

    def open(self, place: Place) -> None:
        self._lists = len(place.centroids)
        self._table = lancedb.connect(place.folder(self.name)).open_table(_NAME)

    def ladders(self) -> list[list[Setting]]:
        return [
            [{"nprobe": nprobe, "refine": refine} for nprobe in steps(1, self._lists)]
            for refine in _REFINES
        ]

    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        found = (
            self._table.search(query)
            .distance_type("l2")
            .nprobes(setting["nprobe"])
            .refine_factor(setting["refine"])
            .limit(k)
            .select(["id", "_distance"])
            .to_arrow()
        )
        rows: NDArray[np.int64] = found["id"].to_numpy()
        return rows
