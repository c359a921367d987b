"""Spaces in segments of this machine."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.clustering.local_repair import Fit, Repair, repaired
from services.indexer.clustering.streaming import Blocks, assign
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.optional_steps import OptionalStep, attempt
from services.indexer.measuring import recall
from services.indexer.segments.engine import Copy, CopyTarget, Kept, NewSpace, Reader
from services.indexer.segments.live_rows import LiveRows
from services.indexer.segments.local_space import clustered
from services.indexer.segments.store import SegmentStore
from shared.contracts.index import Reclustered
from shared.contracts.indexer import BuildSettings
from shared.contracts.stats import RecallCurve
from shared.engines.ivf.engine import LocalEngine
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.partition import Partition
from shared.files import durable
from shared.files.mapped import let_go
from shared.snapshots.items import Item
from shared.snapshots.manifest import SegmentFile, SpaceManifest

_ROWS = 4096
_BLOCK = 16_384


class LocalSpaces:
    """Builds posting lists over centroids; additions are assigned to the same centroids."""

    title = "this machine"
    holds_terms = False

    def __init__(self, segments: SegmentStore, engine: LocalEngine) -> None:
        self._segments = segments
        self._engine = engine

    def build(
        self, new: NewSpace, settings: BuildSettings, job: JobContext, with_codes: bool = True
    ) -> SpaceManifest:
        return clustered(self._segments, new, settings, job, with_codes)

    def append(
        self,
        name: str,
        space: SpaceManifest,
        ordinals: NDArray[np.int64],
        blocks: Callable[[], Blocks],
        changed: Sequence[Item],
    ) -> SegmentFile:
        partition = self._segments.partition(space)
        lists = assign(blocks(), len(ordinals), partition.centroids, space.metric)
        return self._segments.postings(name, partition, blocks(), lists, ordinals, is_first=False)

    def retag(self, space: SpaceManifest, changed: Sequence[Item]) -> None:
        """Do nothing: filters ask the items files."""

    def merge(
        self, name: str, space: SpaceManifest, files: list[SegmentFile], deleted: NDArray[np.int64]
    ) -> SegmentFile:
        return self._segments.merged_postings(name, space, files, deleted)

    def compact(
        self,
        name: str,
        space: SpaceManifest,
        queries: NDArray[np.float32] | None,
        deleted: NDArray[np.int64],
        job: JobContext,
    ) -> SpaceManifest:
        parts = [self._segments.open(file) for file in space.postings]
        kept = [~np.isin(part.ordinals, deleted) for part in parts]
        if not any(rows.any() for rows in kept):
            return space

        def blocks() -> Blocks:
            at = 0
            for part, rows in zip(parts, kept, strict=True):
                for start, block in part.blocks():
                    job.stage(f"merging the {name} segments")
                    chosen = block[rows[start : start + len(block)]]
                    yield at, chosen
                    at += len(chosen)

        live = LiveRows(parts, kept, job.check_cancelled)
        partition = self._segments.partition(space)
        lists = live.lists()
        repair = self._repaired(space, live, lists, partition, name, job)
        if repair is not None:
            partition, lists = replace(partition, centroids=repair.centroids), repair.lists
        file = self._segments.postings(name, partition, blocks(), lists, live.ordinals())
        merged = space.model_copy(update={"postings": [file], "recall": []})
        if repair is not None:
            merged = _with_repair(merged, repair)
        if name == "joint" and queries is None:
            return merged
        job.stage(f"measuring the recall of the {name} space")
        none: list[RecallCurve] = []
        curves = attempt(
            job,
            OptionalStep.RECALL,
            lambda: self.measure(merged, name, space.seed, queries),
            none,
        )
        return merged.model_copy(update={"recall": curves})

    def _repaired(
        self,
        space: SpaceManifest,
        live: LiveRows,
        lists: NDArray[np.int64],
        partition: Partition,
        name: str,
        job: JobContext,
    ) -> Repair | None:
        """Cluster anew the lists that drifted; None where there are none, or a build is due."""
        built = space.built
        if built is None or not built.rows or built.spread is None:
            return None
        job.stage(f"looking for drift in the {name} space")
        fit = Fit(built.rows / space.clusters, built.spread)
        given = lists, live.fresh(), partition.centroids, space.metric, fit, space.seed
        return attempt(job, OptionalStep.CLUSTERING, lambda: repaired(live, *given), None)

    def forget(self, space: SpaceManifest, ordinals: list[int]) -> None:
        """Do nothing: tombstones hide them until a compaction."""

    def open(self, space: SpaceManifest) -> InvertedIndex:
        return self._engine.open(space, [self._segments.open(file) for file in space.postings])

    def measure(
        self, space: SpaceManifest, name: str, seed: int, queries: NDArray[np.float32] | None = None
    ) -> list[RecallCurve]:
        return recall.measure(self.open(space), name, seed, queries)

    def reader(self, space: SpaceManifest) -> Reader:
        parts = [self._segments.open(file) for file in space.postings]

        def read(ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
            found = np.empty((len(ordinals), space.dim), np.float32)
            is_there = np.zeros(len(ordinals), bool)
            for part in parts:
                rows = part.find(ordinals)
                here = rows >= 0
                found[here] = part.vectors[rows[here]]
                is_there |= here
            return found[is_there]

        return read

    def stream(
        self, space: SpaceManifest, ordinals: NDArray[np.int64]
    ) -> Iterator[NDArray[np.float32]]:
        parts = [self._segments.open(file) for file in space.postings]
        read = self.reader(space)

        def blocks() -> Iterator[NDArray[np.float32]]:
            for start in range(0, len(ordinals), _ROWS):
                yield read(ordinals[start : start + _ROWS])
                for part in parts:
                    let_go(part.vectors)

        return blocks()

    def copy(self, copy: Copy) -> CopyTarget:
        return _Table(self._segments, copy)

    def keep(self, kept: Kept) -> None:
        """Do nothing: all that the engine holds are segments, which the store removes."""


def _with_repair(space: SpaceManifest, repair: Repair) -> SpaceManifest:
    """Return a space with what was clustered anew in it."""
    clusters, built = len(repair.centroids), space.built
    if built is not None:
        # The number of clusters grew with the images; lists fit as those of the build.
        rows = round(built.rows * clusters / space.clusters)
        built = built.model_copy(update={"rows": rows})
    told = Reclustered(
        lists=repair.split, clusters=space.clusters, moved=repair.moved, compared=repair.compared
    )
    return space.model_copy(update={"clusters": clusters, "built": built, "reclustered": told})


class _Table:
    """Vectors that are collected in a table on disk, and clustered once all are there."""

    place: str | None = None

    def __init__(self, segments: SegmentStore, copy: Copy) -> None:
        self._segments = segments
        self._copy = copy
        self.is_new = not (copy.copied and copy.scratch.exists())
        if self.is_new:
            durable.make_dir(copy.scratch.parent)
            shape = (len(copy.ordinals), copy.space.dim)
            self._table: np.memmap[Any, Any] = np.lib.format.open_memmap(
                copy.scratch, "w+", np.dtype(np.float32), shape
            )
        else:
            self._table = np.lib.format.open_memmap(copy.scratch, "r+")

    def put(self, rows: slice, live: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        self._table[rows][np.isin(self._copy.ordinals[rows], live)] = vectors
        self._table.flush()

    def finish(self, deleted: NDArray[np.int64], job: JobContext) -> SpaceManifest:
        copy, space = self._copy, self._copy.space
        places = np.flatnonzero(~np.isin(copy.ordinals, deleted))
        where = FeatureRows(copy.ordinals[places], np.zeros(len(places), np.int64), places)

        def blocks(rows: FeatureRows) -> Blocks:
            for first in range(0, len(rows), _BLOCK):
                yield first, np.array(self._table[rows.rows[first : first + _BLOCK]])

        settings = BuildSettings(
            clusters=min(space.clusters, len(where)), metric=space.metric, seed=space.seed
        )
        stage = "clustering" if copy.name == "visual" else f"clustering the {copy.name} space"
        new = NewSpace(copy.name, stage, space.fingerprint, where, blocks, copy.records)
        return clustered(self._segments, new, settings, job)
