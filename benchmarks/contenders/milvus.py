"""Milvus Lite: IVF-Flat in a file that one process opens."""

# Milvus Lite 3.2 takes no notice of the `nprobe` of a search and always probes 10 lists, so it's
# set where its engine asks faiss. What a search costs is its own.

from typing import Any, ClassVar

import numpy as np
from milvus_lite.index.faiss_ivf_flat import FaissIvfFlatIndex
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient

from benchmarks.contenders.contender import Contender, Place, Setting, steps

_FILE = "vectors.db"
_NAME = "vectors"
_BATCH = 5000
# Else it pings while the others are asked, until its own server hangs up.
_QUIET = {"grpc.keepalive_permit_without_calls": False}


class Milvus(Contender):
    name: ClassVar[str] = "milvus-lite"

    def __init__(self) -> None:
        self._client: MilvusClient | None = None
        self._nprobe = 1

    def build(self, place: Place) -> dict[str, Any]:
        dim = place.collection.base.shape[1]
        client = self._connect(place)
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        client.create_collection(_NAME, schema=schema)
        row = 0
        for block in place.collection.blocks():
            for start in range(0, len(block), _BATCH):
                part = block[start : start + _BATCH]
                client.insert(
                    _NAME, [{"id": row + at, "vector": one} for at, one in enumerate(part)]
                )
                row += len(part)
        client.flush(_NAME)
        indexes = client.prepare_index_params()
        lists = {"nlist": len(place.centroids)}
        indexes.add_index("vector", index_type="IVF_FLAT", metric_type="L2", params=lists)
        client.create_index(_NAME, indexes)
        return {}

    def open(self, place: Place) -> None:
        self._lists = len(place.centroids)
        self._connect(place).load_collection(_NAME)
        as_it_is = FaissIvfFlatIndex.search

        def probing(*given: Any, **named: Any) -> Any:
            return as_it_is(*given, **{**named, "params": {"nprobe": self._nprobe}})

        FaissIvfFlatIndex.search = probing

    def ladders(self) -> list[list[Setting]]:
        return [[{"nprobe": nprobe} for nprobe in steps(1, self._lists)]]

    def search(self, query: Any, k: int, setting: Setting) -> NDArray[np.int64]:
        if self._client is None:
            raise RuntimeError("not open")
        self._nprobe = setting["nprobe"]
        found = self._client.search(_NAME, data=[query], limit=k)
        return np.array([hit["id"] for hit in found[0]], np.int64)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _connect(self, place: Place) -> MilvusClient:
        self._client = MilvusClient(str(place.folder(self.name) / _FILE), grpc_options=_QUIET)
        return self._client
