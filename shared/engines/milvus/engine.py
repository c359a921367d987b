"""Milvus as the engine of a space: a collection holds the vectors, segments tell who is in it."""

from collections.abc import Sequence

from shared.core.errors import Misconfigured
from shared.engines.engine import Index
from shared.engines.ivf.reader import Postings
from shared.engines.milvus.collection import MilvusCollection
from shared.engines.milvus.index import MilvusIndex
from shared.engines.milvus.server import Milvus
from shared.snapshots.manifest import MilvusManifest, SegmentFile, SpaceManifest


class MilvusEngine:
    """Opens collections of one Milvus."""

    def __init__(self, server: Milvus) -> None:
        self.server = server

    def open(
        self, space: SpaceManifest, segments: Sequence[Postings], former: Index | None = None
    ) -> MilvusIndex:
        there, collection = _there(space), self.collection(space)
        if former is None or former.place(0) != collection.name:
            collection.check(space.fingerprint)
        return MilvusIndex(
            collection, segments, space.metric, space.clusters, there.is_exact, there.knows_tags
        )

    def vector_files(self, space: SpaceManifest) -> list[SegmentFile]:
        """Return none: the segments of such a space hold no vectors."""
        return []

    def collection(self, space: SpaceManifest) -> MilvusCollection:
        """Return the collection that holds a space's vectors."""
        there = _there(space)
        return self.named(there.collection, space.dim, there.index_type)

    def named(self, name: str, dim: int, index_type: str) -> MilvusCollection:
        """Return a collection by its name, which needn't exist yet."""
        return MilvusCollection(self.server, name, dim, index_type == "IVF_RABITQ")

    def close(self) -> None:
        self.server.close()


def _there(space: SpaceManifest) -> MilvusManifest:
    if space.milvus is None:
        raise Misconfigured("The space isn't kept in Milvus.")
    return space.milvus
