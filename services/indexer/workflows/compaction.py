"""Compaction: one segment of all that is there and not deleted, on the same centroids but for
those of lists that drifted.

It runs as a job beside searches and additions. The snapshot in use serves until the new one is
published, and what came meanwhile is published with it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from services.indexer.jobs.context import JobContext
from services.indexer.jobs.optional_steps import OptionalStep, attempt
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.publisher import Publisher
from services.indexer.publishing.retention import COMPACTION_REASON
from services.indexer.segments.health import grown
from shared.core import failpoints
from shared.core.errors import Conflict
from shared.snapshots.manifest import Manifest
from shared.snapshots.tag_vectors import read_tag_vectors

# Additions or deletions are merged when they are this share of all, and no fewer than this.
_SHARE = 0.1
_LEAST = 1000


class Compaction:
    """Merges the segments of the current snapshot."""

    def __init__(self, index: IndexFiles, current: CurrentSnapshot, publisher: Publisher) -> None:
        self._segments = index.segments
        self._spaces = index.spaces
        self._tombstones = index.tombstones
        self._current = current
        self._publisher = publisher

    def is_due(self) -> bool:
        """Return whether additions and deletions slow searches enough to merge. Raises Corrupt."""
        current = self._current.manifest()
        if current.visual is None:
            return False
        files = current.visual.postings
        deleted = self._tombstones.read()
        gone = 0
        if len(deleted) > _LEAST:
            live = self._segments.live(current, deleted)
            if not live:
                # Nothing can be merged of nothing; what comes next begins a new list.
                return False
            gone = sum(file.rows for file in files) - live
        return grown(files, gone, _SHARE, _LEAST) or grown(current.items, 0, _SHARE, _LEAST)

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """The job. Raises Conflict where the index was built anew meanwhile."""
        with self._current.holding() as base:
            if base.visual is None:
                return {"snapshot": base.number, "images": 0}
            return self._compacted(base, job)

    def _compacted(self, base: Manifest, job: JobContext) -> dict[str, Any]:
        deleted = self._publisher.settled()
        vectors = [read_tag_vectors(self._segments.intact(file)) for file in base.tag_vectors]
        asked = [vector for found in vectors for vector in found.values()]
        update: dict[str, Any] = {
            name: self._spaces.of(space).compact(
                name, space, np.stack(asked) if asked and name == "joint" else None, deleted, job
            )
            for name, space in base.spaces.items()
        }
        if grown(base.items, 0, _SHARE, 0):
            job.stage("merging records")
            update["items"] = [self._segments.merged_items(base.items, deleted)]
        if base.labels is not None:
            labels, files = base.labels, self._publisher.labels
            update["labels"] = attempt(
                job, OptionalStep.LABELS, lambda: files.compacted(labels, deleted), labels
            )
        compacted = base.model_copy(update=update)
        failpoints.reach("compaction.merged")
        job.stage("publishing")

        def latest(current: Manifest) -> Manifest:
            if _first_files(current) != _first_files(base):
                raise Conflict(
                    "The index was rebuilt or rolled back while it was compacted. Nothing "
                    "was lost, and you don't need to compact again."
                )
            return compacted.model_copy(update={"reason": COMPACTION_REASON})

        manifest = self._publisher.publish(latest)
        self._spaces.forget(manifest, deleted.tolist())
        told: dict[str, Any] = {"snapshot": manifest.number, "images": manifest.images}
        reclustered = {
            name: space.reclustered.model_dump()
            for name, space in compacted.spaces.items()
            if space.reclustered is not None and space.reclustered != base.spaces[name].reclustered
        }
        return told | ({"reclustered": reclustered} if reclustered else {})


def _first_files(manifest: Manifest) -> list[str]:
    return [space.postings[0].name for space in manifest.spaces.values()]
