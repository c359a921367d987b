"""Moves a collection from one engine to the other, while it goes on being searched.

What is moved are the vectors as they are searched: nothing is embedded or transformed again, so
that distances stay as they were, to the last bit. Every step is noted (`moves.py`), and the next
run goes on after it. The other engine is switched to once it answers as the present one does.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.indexer.jobs.context import JobContext
from services.indexer.jobs.optional_steps import OptionalStep, attempt
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.migration_state import SPACES, MigrationState, is_same
from services.indexer.publishing.publisher import Publisher
from services.indexer.publishing.retention import MIGRATION_REASON
from services.indexer.segments.engine import Copy
from services.indexer.workflows.engine_comparison import compared
from shared.contracts.migration import MigrateRequest, MigrationReport
from shared.contracts.stats import RecallCurve
from shared.core import failpoints
from shared.core.engine import Engine
from shared.core.errors import Conflict, Corrupt
from shared.snapshots.manifest import Manifest, SpaceManifest
from shared.snapshots.tag_vectors import read_tag_vectors

# So many vectors are noted as copied at a time.
_STEP = 512
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
        if to is not self._engine and to is not self._current.manifest().engine:
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
        if current.engine is asked.to:
            # Where a process was killed after it switched over, its report is still to be told.
            self._migrations.end()
            return _told(current, move.report if move and move.to is asked.to else None)
        if move is None or move.to is not asked.to:
            self._migrations.end()
            move = MigrationState(to=asked.to, base=current)
            self._migrations.save(move)
        for name, space in move.base.spaces.items():
            if name not in move.done:
                move.done[name] = self._moved(move, name, space, job)
                self._migrations.save(move)
        if move.report is None:
            job.stage("comparing the engines")
            move.report = self._compared(move, asked.sample, job)
            self._migrations.save(move)
        job.stage("publishing")
        manifest = self._publisher.publish(lambda current: self._latest(move, current))
        failpoints.reach("migration.published")
        self._migrations.end()
        return _told(manifest, move.report)

    def _latest(self, move: MigrationState, current: Manifest) -> Manifest:
        if not is_same(move.base, current) or current.engine is move.to:
            raise Conflict(
                "The index was rebuilt or rolled back while it was moved. Nothing was "
                "lost; run `ise migrate` again to move the current index."
            )
        update = {name: move.done.get(name) for name in SPACES}
        return move.base.model_copy(update={**update, "reason": MIGRATION_REASON})

    def _moved(
        self, move: MigrationState, name: str, space: SpaceManifest, job: JobContext
    ) -> SpaceManifest:
        """A space in the other engine, which knows its recall there."""
        there = self._copied(move, name, space, job)
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
                lambda: self._spaces.of(there).measure(there, name, space.seed, queries),
                curves,
            )
        return there.model_copy(
            update={
                "transform": space.transform,
                "calibration": space.calibration,
                "counting": space.counting,
                "tag_spread": space.tag_spread,
                "recall": curves,
            }
        )

    def _copied(
        self, move: MigrationState, name: str, space: SpaceManifest, job: JobContext
    ) -> SpaceManifest:
        # As they are stored: so they're read from disk in one direction, in each run alike.
        ordinals = self._segments.ordinals(space)
        job.count(len(ordinals))
        self._publisher.check_lease()
        engine = self._spaces[move.to]
        begun, scratch = move.begun.get(name), self._migrations.table(name)
        target = engine.copy(
            Copy(name, space, ordinals, move.base.items, move.copied.get(name, 0), begun, scratch)
        )
        if target.is_new:
            if target.place is not None:
                move.begun[name] = target.place
            self._note(move, name, 0)
        copied = move.copied.get(name, 0)
        job.advance(copied, skipped=True)
        for start in range(copied, len(ordinals), _STEP):
            job.stage(f"copying the {name} space to {engine.title}")
            rows = slice(start, min(start + _STEP, len(ordinals)))
            live, vectors = self._stored(space, ordinals[rows])
            self._publisher.check_lease()
            target.put(rows, live, vectors)
            self._note(move, name, rows.stop)
            job.advance(rows.stop - start)
        try:
            return target.finish(self._publisher.settled(), job)
        except Corrupt:
            self._note(move, name, 0)
            raise

    def _note(self, move: MigrationState, name: str, copied: int) -> None:
        self._publisher.check_lease()
        move.copied[name] = copied
        self._migrations.save(move)

    def _stored(
        self, space: SpaceManifest, ordinals: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the rows of those of some images that aren't deleted, and their vectors."""
        deleted = self._publisher.settled()
        while True:
            live = np.setdiff1d(ordinals, deleted, assume_unique=True)
            try:
                return live, self._spaces.stored(space, live)
            except Corrupt:
                # One may have been deleted meanwhile.
                before, deleted = deleted, self._publisher.settled()
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


def _told(manifest: Manifest, report: MigrationReport | None) -> dict[str, Any]:
    told = {
        "snapshot": manifest.number,
        "images": manifest.images,
        "engine": manifest.engine.value,
    }
    return told | {"report": None if report is None else report.model_dump()}
