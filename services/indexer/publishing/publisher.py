"""Keeps the current snapshot in step with the catalogue.

The catalogue is the truth. A snapshot says up to which revision of it it goes; what came later is
written as small segments on the same centroids, and a new snapshot names them beside the old ones.
So an addition costs what it brings, and a process killed at any point catches up at its next start.
"""

import logging
from collections.abc import Callable
from functools import partial

from services.indexer.catalog.locks import PublishLock
from services.indexer.embedding.compatibility import Compatibility
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.deletions import Deletions
from services.indexer.publishing.first_segment import FirstSegment, empty_manifest, now
from services.indexer.publishing.incremental import NOT_EMBEDDED, IncrementalSegments
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.labels import Labels
from services.indexer.publishing.retention import Retention
from services.indexer.publishing.texts import TextFiles
from shared.core import failpoints
from shared.core.errors import Conflict, Corrupt, ISEError, Misconfigured
from shared.files import durable
from shared.snapshots.manifest import LabelsManifest, Manifest

log = logging.getLogger(__name__)

_RETAG_REASON = "image retagged"


class Publisher:
    """Publishes snapshots. One publication at a time; each is whole or not there."""

    def __init__(
        self,
        index: IndexFiles,
        current: CurrentSnapshot,
        lock: PublishLock,
        additions: IncrementalSegments,
        first: FirstSegment,
        compatibility: Compatibility,
        deletions: Deletions,
        labels: Labels,
        texts: TextFiles,
    ) -> None:
        self._snapshots = index.snapshots
        self._segments = index.segments
        self._retention = Retention(index)
        self._current = current
        self._lock = lock
        self._additions = additions
        self._first = first
        self._compatibility = compatibility
        self._deletions = deletions
        self.labels = labels
        self._texts = texts

    def start(self, is_alone: bool = True) -> None:
        """Catches up with what was acknowledged before the process ended last.

        `is_alone`: no other worker is at anything, so what's half-written is a killed one's.
        """
        with self._lock:
            self._start(is_alone)

    def _start(self, is_alone: bool) -> None:
        for folder in (self._snapshots.folder, self._segments.folder):
            durable.make_dir(folder)
            if is_alone:
                durable.remove_temporaries(folder)
        self._snapshots.remove_unpublished()
        current = self._current.find()
        if current is not None and self._additions.revision() < current.revision:
            # Its ordinals would be assigned twice, and its next changes would count as published.
            raise Misconfigured(
                f"The catalogue is older than snapshot {current.number} in "
                f"{self._snapshots.folder}. Restore both from one backup, or set ISE_DATA_DIR "
                "to an empty folder."
            )
        self._deletions.finish()
        if current is None:
            self.publish(lambda number: empty_manifest(number, revision=0))
        else:
            self._current.replace(current)
            self._current.remember_network()
        if is_alone and self._lock.is_shared:
            self._retention.remove_old(self._current.manifest(), is_alone=True)

    def publish(
        self,
        make: Callable[[int], Manifest],
        complete: Callable[[Manifest], Manifest] | None = None,
        may_lag: bool = False,
    ) -> Manifest:
        """Publishes the snapshot that `make` gives for a number, and what came since with it.

        `complete` adds what came since; by default all of it. `may_lag`: the joint space may go
        without it, where the embedder is away.
        """
        with self._lock:
            failpoints.reach("publish.begin")
            self._deletions.finish_left()
            number = (self._snapshots.current_number() or 0) + 1
            number = max([number, *(n + 1 for n in self._snapshots.numbers())])
            complete = complete or partial(self._additions.with_pending, may_lag=may_lag)
            manifest = self._compatibility.with_canaries(complete(make(number)))
            manifest = self._texts.with_texts(self.labels.with_labels(manifest))
            self._check_turn()
            self._snapshots.publish(manifest)
            self._current.replace(manifest)
            failpoints.reach("publish.done")
            self._current.remember_network()
            self._retention.remove_old(manifest, not self._lock.is_shared)
            self.labels.published(manifest)
            self._current.changed()
        log.info("published snapshot %d: %s", manifest.number, manifest.reason)
        return manifest

    def publish_pending(self, reason: str, may_lag: bool = False) -> Manifest:
        """Publishes what changed since the current snapshot, if anything did."""
        with self._lock:
            current = self._current.manifest()
            if self._additions.revision() <= current.revision:
                return current
            return self.publish(
                lambda number: current.model_copy(
                    update={"number": number, "created_at": now(), "reason": reason}
                ),
                may_lag=may_lag,
            )

    def publish_retag(self) -> None:
        """Publishes new tags and metadata; what is pending beside them too, where that can be.

        A job at work may have recorded pictures that need an embedder which is away or doesn't fit.
        """
        try:
            self.publish_pending(_RETAG_REASON)
        except NOT_EMBEDDED as error:
            log.warning("only retags can be published yet: %s", error.detail)
            with self._lock:
                current = self._current.manifest()
                self.publish(
                    lambda number: current.model_copy(
                        update={"number": number, "created_at": now(), "reason": _RETAG_REASON}
                    ),
                    self._additions.with_own_records,
                )

    def publish_first(self, fingerprint: str, reason: str, may_lag: bool = False) -> Manifest:
        """Publishes images of a collection that has no index yet: one list, scanned exactly."""
        with self._lock:
            current = self._current.manifest()
            if self._current.live(current):
                return self.publish_pending(reason, may_lag)
            made = self._first.make(fingerprint, reason)
            if made is None:
                return current
            return self.publish(
                lambda number: made.model_copy(update={"number": number, "created_at": now()})
            )

    def activate(self, number: int) -> Manifest:
        """Rolls back to an older snapshot; what came since, of the same models, stays."""
        with self._lock:
            failpoints.reach("rollback.begin")
            older = self._snapshots.read(number)
            if older.visual is None:
                raise Conflict(f"Snapshot {number} is empty; you can't roll back to it.")
            for file in older.vital_files():
                self._snapshots.verified(file)
            visual = self._current.manifest().visual
            others = visual is not None and visual.fingerprint != older.visual.fingerprint
            if others and not self._current.live(older):
                # All present images have another model, so the rollback would hide them and show
                # nothing.
                raise Conflict(
                    f"Every image of snapshot {number} was deleted; you can't roll back to it."
                )
            return self.publish(
                lambda new: older.model_copy(
                    update={
                        "number": new,
                        "created_at": now(),
                        "reason": f"roll-back to snapshot {number}",
                        # Those of now, where they are of its model: they are of more images.
                        "labels": None
                        if self.labels.fitting(older.model_copy(update={"labels": None}))
                        else self._intact_labels(older),
                    }
                )
            )

    def _intact_labels(self, older: Manifest) -> LabelsManifest | None:
        """Return the labels of a snapshot, or None where a file of them is damaged."""
        try:
            for file in older.label_files():
                self._snapshots.verified(file)
        except Corrupt as error:
            log.error("labels are dropped: %s", error)
            return None
        return older.labels

    def tidy(self) -> None:
        """Removes what this thread wrote for a snapshot that was never published.

        Of a worker that ended, too, what it left half-published.
        """
        with self._lock:
            if self._lock.is_shared:
                self._snapshots.remove_unpublished()
                self._deletions.finish()
            self._retention.remove_old(self._current.manifest(), not self._lock.is_shared)

    def catch_up(self) -> None:
        """Publish what the catalogue has and the snapshot lacks, after a broken-off job or end.

        Where that can't be, the next publication brings it.
        """
        try:
            self.tidy()
            self.publish_pending("caught up")
        except (ISEError, OSError) as error:
            log.warning("recorded changes can't be published yet: %s", error)

    def check_lease(self) -> None:
        """Raises LeaseLost where the job that this is of was given to another worker."""
        self._lock.check_lease()

    def _check_turn(self) -> None:
        """Raises LeaseLost where another worker has the turn by now, or the job that this is of."""
        self._lock.check()
        self.check_lease()
