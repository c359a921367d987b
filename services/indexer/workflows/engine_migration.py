"""Moves a collection from one engine to the other, while it goes on being searched.

What is moved are the vectors as they are searched: nothing is embedded or transformed again, so
that distances stay as they were, to the last bit. Every step is noted (`moves.py`), and the next
run goes on after it. The other engine is switched to once it answers as the present one does.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.clustering.streaming import Blocks
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.optional_steps import OptionalStep, attempt
from services.indexer.measuring.recall_by_search import measured
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.migration_state import SPACES, MigrationState, engine_of, is_same
from services.indexer.publishing.publisher import Publisher
from services.indexer.publishing.retention import MIGRATION_REASON
from services.indexer.segments.local_space import clustered
from services.indexer.workflows.engine_comparison import compared
from shared.contracts.indexer import BuildSettings
from shared.contracts.migration import MigrateRequest, MigrationReport
from shared.contracts.stats import RecallCurve
from shared.core import failpoints
from shared.core.engine import Engine
from shared.core.errors import Conflict, Corrupt
from shared.engines.milvus.collection import MilvusCollection
from shared.files import durable
from shared.snapshots.manifest import Manifest, SpaceManifest
from shared.snapshots.tag_vectors import read_tag_vectors

# So many vectors are noted as copied at a time.
_STEP = 512
_BLOCK = 16_384
_TOLERANCE = 0.01


class EngineMigration:
    """engine: where the settings want the next index."""

    def __init__(
        self, index: IndexFiles, current: CurrentSnapshot, publisher: Publisher, engine: Engine
    ) -> None:
        self._migrations = index.migrations
        self._spaces = index.spaces
        self._segments = index.segments
        self._tombstones = index.tombstones
        self._current = current
        self._publisher = publisher
        self._engine = engine

    def check(self, to: Engine) -> None:
        """Raises Conflict where there is nothing to move, or the settings want it elsewhere."""
        if self._current.is_empty():
            raise Conflict(
                "There is nothing to move: the collection is empty. New images go to the "
                "engine that ISE_ENGINE names."
            )
        if to is not self._engine and to is not engine_of(self._current.manifest()):
            raise Conflict(
                f"ISE_ENGINE is {self._engine}, so the next build would bring the "
                f"collection back from {to}. Set ISE_ENGINE={to} for the indexer and the "
                "query service, restart both, then migrate."
            )

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """The job. Raises Conflict where the index is another by the time it's done."""
        asked = MigrateRequest.model_validate(request)
        self.check(asked.to)
        current = self._current.manifest()
        move = self._migrations.still_of(current)
        if engine_of(current) is asked.to:
            # Where a process was killed after it switched over, its report is still to be told.
            self._migrations.end()
            return _told(current, move.report if move and move.to is asked.to else None)
        if move is None or move.to is not asked.to:
            self._migrations.end()
            move = MigrationState(to=asked.to, base=current)
            self._migrations.save(move)
        for name, space in _spaces(move.base):
            if name not in move.done:
                move.done[name] = self._moved(move, name, space, job)
                self._migrations.save(move)
        if move.report is None:
            job.stage("comparing the engines")
            move.report = self._compared(move, asked.sample, job)
            self._migrations.save(move)
        job.stage("publishing")
        manifest = self._publisher.publish(lambda number: self._latest(move, number, job))
        failpoints.reach("migration.published")
        self._migrations.end()
        return _told(manifest, move.report)

    def _latest(self, move: MigrationState, number: int, job: JobContext) -> Manifest:
        current = self._current.manifest()
        if not is_same(move.base, current) or engine_of(current) is move.to:
            raise Conflict(
                "The index was rebuilt or rolled back while it was moved. Nothing was "
                "lost; run `ise migrate` again to move the current index."
            )
        update = {name: move.done.get(name) for name in SPACES}
        return move.base.model_copy(
            update=update | {"number": number, "created_at": job.now(), "reason": MIGRATION_REASON}
        )

    def _moved(
        self, move: MigrationState, name: str, space: SpaceManifest, job: JobContext
    ) -> SpaceManifest:
        """A space in the other engine, which knows its recall there."""
        parts = [self._segments.open(file).ordinals for file in space.postings]
        # As they are stored: so they're read from disk in one direction, in each run alike.
        ordinals = np.concatenate(parts)
        job.count(len(ordinals))
        if move.to is Engine.MILVUS:
            there = self._in_milvus(move, name, space, ordinals, job)
        else:
            there = self._here(move, name, space, ordinals, job)
        failpoints.reach("migration.indexed")
        job.stage(f"measuring the recall of the {name} space")
        tags = [read_tag_vectors(self._segments.intact(file)) for file in move.base.tag_vectors]
        asked = [vector for vectors in tags for vector in vectors.values()]
        curves: list[RecallCurve] = []
        if name == "visual" or asked:
            queries = np.stack(asked) if name == "joint" else None
            curves = attempt(
                job,
                OptionalStep.RECALL,
                lambda: measured(self._spaces.index(there), name, space.seed, queries),
                curves,
            )
        return there.model_copy(
            update={
                "transform": space.transform,
                "calibration": space.calibration,
                "recall": curves,
            }
        )

    def _in_milvus(
        self,
        move: MigrationState,
        name: str,
        space: SpaceManifest,
        ordinals: NDArray[np.int64],
        job: JobContext,
    ) -> SpaceManifest:
        collection, is_new = self._collection(move, name, space)
        copied = move.copied.get(name, 0)
        job.advance(copied, skipped=True)
        for start in range(copied, len(ordinals), _STEP):
            job.stage(f"copying the {name} space to Milvus")
            some = ordinals[start : start + _STEP]
            live, vectors = self._stored(space, some)
            self._publisher.check_lease()
            # What the process before had put and not noted is replaced, not doubled.
            self._spaces.put(collection, live, vectors, move.base.items, is_new)
            self._note(move, name, start + len(some))
            job.advance(len(some))
        job.stage(f"indexing the {name} space in Milvus")
        deleted = self._tombstones.read()
        live = np.setdiff1d(ordinals, deleted)
        there = self._spaces.finished(
            name, space.fingerprint, space.metric, space.clusters, live, collection
        )
        collection.remove(np.intersect1d(ordinals, deleted).tolist())
        if (found := collection.count()) != len(live):
            self._note(move, name, 0)
            raise Corrupt(
                f"Milvus has {found} of the {len(live)} images that were put there. `ise migrate` "
                "puts them there again."
            )
        return there

    def _collection(
        self, move: MigrationState, name: str, space: SpaceManifest
    ) -> tuple[MilvusCollection, bool]:
        """Return the collection for a space, and whether it's still empty."""
        if (begun := move.begun.get(name)) is not None:
            known = self._spaces.again(begun, space.dim)
            if known is not None:
                return known, False
        made = self._spaces.begun(name, space.fingerprint, space.metric, space.dim)
        move.begun[name] = made.name
        self._note(move, name, 0)
        return made, True

    def _here(
        self,
        move: MigrationState,
        name: str,
        space: SpaceManifest,
        ordinals: NDArray[np.int64],
        job: JobContext,
    ) -> SpaceManifest:
        table = self._table(move, name, (len(ordinals), space.dim))
        copied = move.copied.get(name, 0)
        job.advance(copied, skipped=True)
        for start in range(copied, len(ordinals), _STEP):
            job.stage(f"copying the {name} space from Milvus")
            some = ordinals[start : start + _STEP]
            live, vectors = self._stored(space, some)
            table[start : start + len(some)][np.isin(some, live)] = vectors
            table.flush()
            self._note(move, name, start + len(some))
            job.advance(len(some))
        places = np.flatnonzero(~np.isin(ordinals, self._tombstones.read()))
        where = FeatureRows(ordinals[places], np.zeros(len(places), np.int64), places)

        def blocks(rows: FeatureRows) -> Blocks:
            for first in range(0, len(rows), _BLOCK):
                yield first, np.array(table[rows.rows[first : first + _BLOCK]])

        settings = BuildSettings(
            clusters=min(space.clusters, len(where)), metric=space.metric, seed=space.seed
        )
        stage = "clustering" if name == "visual" else f"clustering the {name} space"
        return clustered(
            self._segments, name, stage, space.fingerprint, where, blocks, settings, job
        )

    def _table(
        self, move: MigrationState, name: str, shape: tuple[int, int]
    ) -> np.memmap[Any, Any]:
        path = self._migrations.table(name)
        if move.copied.get(name) and path.exists():
            return np.lib.format.open_memmap(path, "r+")
        self._publisher.check_lease()
        move.copied[name] = 0
        durable.make_dir(path.parent)
        return np.lib.format.open_memmap(path, "w+", np.dtype(np.float32), shape)

    def _note(self, move: MigrationState, name: str, copied: int) -> None:
        self._publisher.check_lease()
        move.copied[name] = copied
        self._migrations.save(move)

    def _stored(
        self, space: SpaceManifest, ordinals: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the rows of those of some images that aren't deleted, and their vectors."""
        deleted = self._tombstones.read()
        while True:
            live = np.setdiff1d(ordinals, deleted, assume_unique=True)
            try:
                return live, self._spaces.stored(space, live)
            except Corrupt:
                # One may have been deleted meanwhile.
                before, deleted = deleted, self._tombstones.read()
                if len(deleted) == len(before):
                    raise

    def _compared(self, move: MigrationState, sample: int, job: JobContext) -> MigrationReport:
        """How the engines compare. Raises Conflict where they don't answer alike."""
        while True:
            deleted = self._tombstones.read()
            report = compared(self._spaces, self._segments, move, deleted, sample, job)
            # Of an image that was deleted meanwhile one of them may have answered still.
            if not report.different or len(deleted) == len(self._tombstones.read()):
                break
        lost = min(report.recall_before, report.target) - report.recall_after
        if not report.different and lost <= _TOLERANCE:
            return report
        self._migrations.end()
        raise Conflict(
            f"The copy in {move.to} gives other answers than the collection: "
            f"{report.different} of {report.asked} exact searches differ, and at a "
            f"target of {report.target} the recall is {report.recall_after:.3f} there "
            f"and {report.recall_before:.3f} here. The collection was not moved; `ise "
            "migrate` starts over."
        )


def _spaces(base: Manifest) -> list[tuple[str, SpaceManifest]]:
    named = zip(SPACES, (base.visual, base.joint), strict=True)
    return [(name, space) for name, space in named if space is not None]


def _told(manifest: Manifest, report: MigrationReport | None) -> dict[str, Any]:
    told = {
        "snapshot": manifest.number,
        "images": manifest.images,
        "engine": engine_of(manifest).value,
    }
    return told | {"report": None if report is None else report.model_dump()}
