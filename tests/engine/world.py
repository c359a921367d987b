"""A data directory over one engine, written by the parts that the indexer writes it with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.clustering.streaming import Blocks
from services.indexer.jobs.context import JobContext
from services.indexer.segments.engine import NewSpace
from services.indexer.segments.spaces import Spaces
from services.indexer.segments.store import SegmentStore
from services.query.search.cursor import Cursor
from services.query.search.query import Query
from services.query.search.result import SearchResult
from services.query.search.searcher import Searcher
from services.query.search.snapshot_reader import SnapshotReader
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Mode
from shared.contracts.indexer import BuildSettings
from shared.contracts.query import Metric, Rerank, SearchOptions
from shared.core.engine import Engine
from shared.engines.milvus.server import Milvus
from shared.engines.table import Engines
from shared.labels.head import LabelClass, LabelHead
from shared.snapshots.items import Item
from shared.snapshots.manifest import LabelsManifest, Manifest, SpaceManifest
from shared.snapshots.store import SnapshotStore
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
        engines = Engines(milvus)
        chosen = Engine.LOCAL if milvus is None else Engine.MILVUS
        self.spaces = Spaces(self.segments, engines, chosen, index_type)
        self.shelf = SnapshotReader(folder, engines)

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
        where = FeatureRows(*[np.arange(len(vectors))] * 3)

        def blocks(rows: FeatureRows) -> Blocks:
            return [(0, vectors[rows.rows])]

        new = NewSpace(name, "", fingerprint, where, blocks, [self.segments.items(known)])
        settings = BuildSettings(clusters=clusters, metric=metric)
        space = self.spaces.chosen.build(new, settings, JobContext.unwatched(), with_codes=False)
        if is_measured:
            curves = self.spaces.of(space).measure(space, name, seed=0)
            space = space.model_copy(update={"recall": curves})
        return space

    def grown(
        self, space: SpaceManifest, first: int, vectors: Floats, known: Sequence[Item] = ()
    ) -> SpaceManifest:
        """A space with additions, numbered from `first`."""
        ordinals = np.arange(first, first + len(vectors))
        engine = self.spaces.of(space)
        file = engine.append("visual", space, ordinals, lambda: [(0, vectors)], known)
        return space.model_copy(update={"postings": [*space.postings, file]})

    def publish(
        self,
        items: Sequence[Item],
        visual: SpaceManifest,
        joint: SpaceManifest | None = None,
        tags: dict[str, Floats] | None = None,
        labels: LabelsManifest | None = None,
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
            labels=labels,
        )
        self.snapshots.publish(manifest)
        return manifest

    def labels(self, names: Sequence[str], chances: Floats) -> LabelsManifest:
        """Labels of the images from 0, by the probability of each name, (n, names)."""
        dim = chances.shape[1]
        bias = np.zeros(len(names), np.float32)
        classes = tuple(LabelClass((name,)) for name in names)
        head = LabelHead(np.zeros((len(names), dim), np.float32), bias, classes, "test")
        ids = np.argsort(-chances, axis=1).astype(np.uint16)
        sorted_chances = np.take_along_axis(chances, ids.astype(int), 1).astype(np.float16)
        ordinals = np.arange(len(chances))
        file = self.segments.labels(ordinals, ids, sorted_chances, len(names))
        return LabelsManifest(
            fingerprint=MODEL,
            digest=head.digest,
            head=self.segments.label_head(head),
            files=[file],
        )

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
