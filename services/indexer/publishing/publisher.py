"""Keeps the current snapshot in step with the catalogue.

The catalogue is the truth. A snapshot says up to which revision of it it goes; what came later is
written as small segments on the same centroids. So an addition costs what it brings, and a process
killed at any point catches up at its next start.

A publication is prepared without the lock, however long the embedder or an engine takes. The lock
is held to compare the current snapshot with the one that was prepared on, and to name the new one;
deletions, which take the same lock, never wait for longer than that.
"""

import logging
import threading
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from services.indexer.catalog.locks import PublishLock
from services.indexer.embedding.compatibility import Compatibility
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.deletions import Deletions
from services.indexer.publishing.drafting import Draft, Drafting, Make, Options
from services.indexer.publishing.first_segment import FirstSegment, empty_manifest, now
from services.indexer.publishing.frames import FrameFiles
from services.indexer.publishing.incremental import NOT_EMBEDDED, IncrementalSegments
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.labels import Labels
from services.indexer.publishing.pending import PATIENCE_S
from services.indexer.publishing.retention import Retention
from services.indexer.publishing.settling import Settling
from services.indexer.publishing.texts import TextFiles
from shared.core import failpoints
from shared.core.engine import Engine
from shared.core.errors import Conflict, Corrupt, ISEError, Misconfigured, NotFound
from shared.core.trace import span
from shared.files import durable
from shared.snapshots.manifest import Manifest

log = logging.getLogger(__name__)

_RETAG_REASON = "image retagged"
# Publications of this process take turns for their last step, so that more than two rounds are
# only needed where several workers publish, or while pictures of another model go on coming.
_ROUNDS = 20
_CATCH_UP_S = 10.0


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
        frames: FrameFiles,
    ) -> None:
        self._snapshots = index.snapshots
        self._segments = index.segments
        self._retention = Retention(index)
        self._current = current
        self._lock = lock
        # Whoever holds it writes local files of what came during a preparation, and commits.
        self._turn = threading.RLock()
        self._additions = additions
        self._drafting = Drafting(
            self._segments, current, additions, compatibility, labels, texts, frames
        )
        self._first = first
        self._deletions = deletions
        self.labels = labels

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
            self._current.replace(empty_manifest(0, revision=0))
            self.publish(lambda current: empty_manifest(0, revision=0))
        else:
            self._current.replace(current)
            self._current.remember_network()
        if is_alone and self._lock.is_shared:
            kept = self._retention.remove_old(self._current.manifest(), is_alone=True)
            self._retention.remove_elsewhere(kept)

    def publish(
        self,
        make: Make,
        may_lag: bool = False,
        patience_s: float | None = None,
        settling: Settling | None = None,
        retags_only: bool = False,
        of: int | None = None,
    ) -> Manifest:
        """Publish the snapshot that `make` gives, and what came since with it.

        `may_lag`: the joint space may go without it, where the embedder is away. `patience_s`: how
        long an embedder is waited for that could make it better. `retags_only`: of what came since,
        only new records of its own images. `of`: the older snapshot that it is made of. Raises
        Conflict where others publish all the time.
        """
        with span("publish"):
            return self._published(make, Options(may_lag, patience_s, retags_only), settling, of)

    def _published(
        self, make: Make, options: Options, settling: Settling | None, of: int | None
    ) -> Manifest:
        failpoints.reach("publish.begin")
        draft: Draft | None = None
        published: Manifest | None = None
        try:
            for number in range(_ROUNDS):
                if settling is not None:
                    settling.settle(number)
                draft = self._drafting.drafted(make, options, draft)
                if draft is None:
                    break
                try:
                    published = self._committed(draft, make, options, settling, of)
                except (Corrupt, FileNotFoundError):
                    if self._current.manifest().number == draft.current.number:
                        raise
                    draft = None  # Others published, and what it was made of is gone.
                if published is not None:
                    break
            else:
                raise Conflict(
                    "Other changes were published all the time, so this one could not be. "
                    "Nothing was lost; try again."
                )
        finally:
            if settling is not None:
                settling.end()
        if published is not None or number:
            self._tidied()
        if published is None:
            return self._current.manifest()
        self._current.changed()
        log.info("published snapshot %d: %s", published.number, published.reason)
        return published

    def _committed(
        self, draft: Draft, make: Make, options: Options, settling: Settling | None, of: int | None
    ) -> Manifest | None:
        """Publish a draft, with what others published during its preparation.

        None: it must be prepared anew, as that needs the embedder or an engine elsewhere.
        """
        is_local = draft.manifest.engine is Engine.LOCAL
        with self._turn if is_local else nullcontext():
            if settling is not None and not settling.is_settled():
                return None
            current = self._current.manifest()
            if current.number == draft.current.number:
                return self._named(draft, current, of)
            made = make(current)
            if made is None:
                return current
            if not is_local:
                return None
            caught_up = self._drafting.caught_up(draft, current, made, options)
            return None if caught_up is None else self._named(caught_up, current, of)

    def _named(self, draft: Draft, current: Manifest, of: int | None) -> Manifest | None:
        """Name a written snapshot as the current one. None where another was named meanwhile."""
        with self._lock:
            self._deletions.finish_left()
            if self._current.manifest().number != current.number:
                return None
            if of is not None and not self._snapshots.path(of).exists():
                raise NotFound(f"There is no snapshot {of}.")
            number = (self._snapshots.current_number() or 0) + 1
            number = max([number, *(n + 1 for n in self._snapshots.numbers())])
            manifest = draft.manifest.model_copy(update={"number": number, "created_at": now()})
            self._check_turn()
            self._snapshots.publish(manifest)
            self._current.replace(manifest)
            self.labels.published(manifest, draft.covered)
        failpoints.reach("publish.done")
        return manifest

    def _tidied(self) -> None:
        """Remove what no kept snapshot needs. The published one stays published if that fails."""
        try:
            self._current.remember_network()
            with self._lock:
                kept = self._retention.remove_old(
                    self._current.manifest(), not self._lock.is_shared
                )
            self._retention.remove_elsewhere(kept)
        except (ISEError, OSError, SQLAlchemyError) as error:
            log.warning("what old snapshots leave is not removed yet: %s", error)

    def publish_pending(
        self, reason: str, may_lag: bool = False, patience_s: float | None = None
    ) -> Manifest:
        """Publishes what changed since the current snapshot, if anything did."""
        wanted = self._additions.revision()

        def make(current: Manifest) -> Manifest | None:
            lags = current.joint is not None and current.joint.revision is not None
            if wanted <= current.revision and (may_lag or not lags):
                return None
            return current.model_copy(update={"reason": reason})

        current = self._current.manifest()
        return current if make(current) is None else self.publish(make, may_lag, patience_s)

    def publish_retag(self) -> None:
        """Publishes new tags and metadata; what is pending beside them too, where that can be.

        A job at work may have recorded pictures that need an embedder which is away or doesn't fit.
        """
        try:
            self.publish_pending(_RETAG_REASON, patience_s=PATIENCE_S)
        except NOT_EMBEDDED as error:
            log.warning("only retags can be published yet: %s", error.detail)
            self.publish(
                lambda current: current.model_copy(update={"reason": _RETAG_REASON}),
                patience_s=PATIENCE_S,
                retags_only=True,
            )

    def publish_lag(self) -> None:
        """Publish what the joint space and the tags lack, once the embedder can say it."""
        current = self._current.manifest()
        if current.lags:
            self.publish(
                lambda now: now.model_copy(update={"reason": "caught up"}) if now.lags else None,
                patience_s=_CATCH_UP_S,
            )

    def publish_first(self, fingerprint: str, reason: str, may_lag: bool = False) -> Manifest:
        """Publishes images of a collection that has no index yet: one list, scanned exactly."""
        current = self._current.manifest()
        if self._current.live(current):
            return self.publish_pending(reason, may_lag)
        first = self._first.make(fingerprint, reason)
        if first is None:
            return current

        def make(current: Manifest) -> Manifest | None:
            if not self._current.live(current):
                return first
            # Somebody else's images came first.
            if first.revision <= current.revision:
                return None
            return current.model_copy(update={"reason": reason})

        return self.publish(make, may_lag)

    def activate(self, number: int) -> Manifest:
        """Rolls back to an older snapshot; what came since, of the same models, stays."""
        failpoints.reach("rollback.begin")
        older = self._snapshots.read(number)
        if older.visual is None:
            raise Conflict(f"Snapshot {number} is empty; you can't roll back to it.")
        with self._segments.using(older.files()):
            for file in older.vital_files():
                self._snapshots.verified(file)
            fingerprint, labels = older.visual.fingerprint, self._snapshots.intact_labels(older)

            def make(current: Manifest) -> Manifest:
                visual = current.visual
                others = visual is not None and visual.fingerprint != fingerprint
                if others and not self._current.live(older):
                    # All present images have another model, so the rollback would hide them and
                    # show nothing.
                    raise Conflict(
                        f"Every image of snapshot {number} was deleted; you can't roll back to it."
                    )
                # Those of now, where they are of its model: they are of more images.
                is_better = self.labels.fitting(older.model_copy(update={"labels": None}))
                return older.model_copy(
                    update={
                        "reason": f"roll-back to snapshot {number}",
                        "labels": None if is_better else labels,
                    }
                )

            return self.publish(make, of=number)

    def settled(self) -> NDArray[np.int64]:
        """Return the deleted images, but none whose deletion may still fail."""
        return self._deletions.settled()

    def tidy(self) -> None:
        """Removes what this thread wrote for a snapshot that was never published.

        Of a worker that ended, too, what it left half-published.
        """
        if self._lock.is_shared:
            with self._lock:
                self._snapshots.remove_unpublished()
                self._deletions.finish()
        self._tidied()

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
