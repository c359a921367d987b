"""A data directory over one engine, written by the parts that the indexer writes it with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.indexer.clustering.streaming import assign, train_centroids
from services.indexer.measuring.recall_by_search import measured
from services.indexer.segments.store import SegmentStore
from services.indexer.segments.vector_spaces import Spaces
from services.query.search.cursor import Cursor
from services.query.search.query import Query
from services.query.search.searcher import Searcher, SearchResult
from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Mode
from shared.contracts.query import Metric, Rerank, SearchOptions
from shared.engines.ivf.partition import Partition
from shared.engines.milvus.server import Milvus
from shared.snapshots.items import Item
from shared.snapshots.manifest import Manifest, SnapshotStore, SpaceManifest
from shared.snapshots.tombstones import Tombstones

Floats = NDArray[np.float32]
MODEL = "model-1"


class World:
    """milvus: where vectors go; None: into segments."""

    def __init__(self, folder: Path, milvus: Milvus | None, index_type: str = "IVF_FLAT") -> None:
        self.folder = folder
        self.milvus = milvus
        self.snapshots = SnapshotStore(folder)
        self.segments = SegmentStore(folder)
        self.tombstones = Tombstones(folder)
        self.spaces = Spaces(self.segments, milvus, None if milvus is None else index_type)
        self.shelf = SnapshotReader(folder, milvus)

    def space(
        self,
        vectors: Floats,
        clusters: int = 1,
        metric: Metric = Metric.COSINE,
        name: str = "visual",
        fingerprint: str = MODEL,
        is_measured: bool = False,
        known: Sequence[Item] = (),
    ) -> SpaceManifest:
        """A space of its own centroids; ordinals from 0."""
        ordinals, blocks = np.arange(len(vectors)), [(0, vectors)]
        if self.milvus is not None:
            space = self.spaces.made(
                name,
                fingerprint,
                metric,
                clusters,
                ordinals,
                blocks,
                [self.segments.items(known)],
            )
        else:
            centroids = train_centroids(vectors, clusters, metric, seed=0)
            lists = assign(blocks, len(vectors), centroids, metric)
            partition = Partition(centroids, metric)
            space = SpaceManifest(
                fingerprint=fingerprint,
                dim=vectors.shape[1],
                metric=metric,
                clusters=clusters,
                seed=0,
                postings=[self.segments.postings(name, partition, blocks, lists, ordinals)],
            )
        if is_measured:
            curves = measured(self.spaces.index(space), name, seed=0)
            space = space.model_copy(update={"recall": curves})
        return space

    def grown(
        self, space: SpaceManifest, first: int, vectors: Floats, known: Sequence[Item] = ()
    ) -> SpaceManifest:
        """A space with additions, numbered from `first`."""
        ordinals = np.arange(first, first + len(vectors))
        blocks = [(0, vectors)]
        if space.milvus is not None:
            file = self.spaces.extended("visual", space, ordinals, blocks, known)
        else:
            partition = self.segments.partition(space)
            lists = assign(blocks, len(vectors), partition.centroids, space.metric)
            file = self.segments.postings(
                "visual", partition, blocks, lists, ordinals, is_first=False
            )
        return space.model_copy(update={"postings": [*space.postings, file]})

    def publish(
        self,
        items: Sequence[Item],
        visual: SpaceManifest,
        joint: SpaceManifest | None = None,
        tags: dict[str, Floats] | None = None,
    ) -> Manifest:
        number = (self.snapshots.current_number() or 0) + 1
        manifest = Manifest(
            number=number,
            created_at="now",
            reason="test",
            revision=number,
            images=len(items),
            items=[self.segments.items(items)],
            visual=visual,
            joint=joint,
            tag_vectors=[self.segments.tag_vectors(tags)] if tags else [],
        )
        self.snapshots.publish(manifest)
        return manifest

    def delete(self, ordinals: list[int]) -> None:
        with self.tombstones.adding() as add:
            add(ordinals)
        current = self.snapshots.current()
        if current is not None:
            self.spaces.forget(current, ordinals)

    def searcher(self) -> Searcher:
        collection, deleted = self.shelf.current()
        return Searcher(collection, deleted, 0.95)

    def search(
        self, vector: Floats, after: Cursor | None = None, **options: object
    ) -> SearchResult:
        """The nearest, in the order of their distances unless something else is asked for."""
        searcher = self.searcher()
        asked = SearchOptions.model_validate({"rerank": Rerank.NONE, **options})
        space = searcher.collection.visual
        assert space is not None
        return searcher.nearest(space, Query(vector, Mode.IMAGE, after=after), asked, Stopwatch())


def items(count: int, first: int = 0) -> list[Item]:
    """Records whose ids come in another order than their numbers."""
    return [Item(n, f"id-{(n * 7919) % 10007:05d}-{n}") for n in range(first, first + count)]
