"""Keeps the current snapshot in step with the catalogue.

The catalogue is the truth. A snapshot says up to which revision of it it goes; what came later is
written as small segments on the same centroids, and a new snapshot names them beside the old ones.
So an addition costs what it brings, and a process killed at any point catches up at its next start.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from services.indexer.catalog import lease_fence
from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.images import Images
from services.indexer.catalog.locks import PublishLock
from services.indexer.clustering.streaming import sample_rows, train_centroids
from services.indexer.embedding.client import Embedding
from services.indexer.embedding.compatibility import Compatibility
from services.indexer.publishing.deletions import Deletions
from services.indexer.publishing.incremental import NOT_EMBEDDED, IncrementalSegments
from services.indexer.publishing.migration_state import MigrationStore
from services.indexer.publishing.retention import Retention
from services.indexer.segments.store import SegmentStore
from services.indexer.segments.vector_spaces import Spaces
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.storage.image_files import ImageFiles
from services.indexer.storage.networks import Networks
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.core import failpoints
from shared.core.errors import Conflict, Corrupt, Misconfigured, NotFound
from shared.engines.ivf.partition import Partition
from shared.engines.milvus.server import Milvus
from shared.files import durable
from shared.snapshots.manifest import CURRENT, Manifest, SegmentFile, SnapshotStore, SpaceManifest
from shared.snapshots.tombstones import Tombstones

log = logging.getLogger(__name__)

_RETAG_REASON = "image retagged"


class Publisher:
    """The one that publishes. One publication at a time; each is whole or not there."""

    def __init__(
        self,
        data_dir: Path,
        images: Images,
        features: FeatureStore,
        files: ImageFiles,
        embedding: Embedding,
        milvus: Milvus | None = None,
        milvus_index: str | None = None,
    ) -> None:
        """milvus_index: what Milvus builds of the next index; None: it stays here."""
        self.snapshots = SnapshotStore(data_dir)
        self.segments = SegmentStore(data_dir)
        self.spaces = Spaces(self.segments, milvus, milvus_index)
        self.tombstones = Tombstones(data_dir)
        self._networks = Networks(data_dir)
        self._images = images
        self._features = features
        self._files = files
        self._growth = IncrementalSegments(
            self.segments, self.spaces, self.tombstones, images, features, embedding
        )
        self.moves = MigrationStore(data_dir)
        self._retention = Retention(self.snapshots, self.segments, self.spaces, self.moves)
        self.fit = Compatibility(embedding, self.current, self._live)
        self._current: Manifest | None = None
        self._changed: Callable[[], None] = lambda: None
        self._is_shared = images.database.is_shared
        self._lock = PublishLock(images.database)
        self.deletions = Deletions(self.tombstones, images, files, self._lock, self._forget)

    def start(self, is_alone: bool = True) -> None:
        """Catches up with what was acknowledged before the process ended last.

        `is_alone`: no other worker is at anything, so what's half-written is a killed one's.
        """
        with self._lock:
            self._start(is_alone)

    def _start(self, is_alone: bool) -> None:
        for folder in (self.snapshots.folder, self.segments.folder):
            durable.make_dir(folder)
            if is_alone:
                durable.remove_temporaries(folder)
        self.snapshots.remove_unpublished()
        current = self._found()
        with self._images.view() as view:
            if current is not None and view.revision < current.revision:
                # Its numbers would be used twice, and its next changes taken for published ones.
                raise Misconfigured(
                    f"The catalogue is older than snapshot {current.number} in "
                    f"{self.snapshots.folder}. Restore both from one backup, or set ISE_DATA_DIR "
                    "to an empty folder."
                )
        self.deletions.finish()
        if current is None:
            self.publish(lambda number: _empty(number, revision=0))
        else:
            self._current = current
            self._use_network(current)
        if is_alone and self._is_shared:
            self._retention.remove_old(self.current(), is_alone=True)

    def _found(self) -> Manifest | None:
        """The snapshot to go on with; None where there never was one. Raises Corrupt."""
        way_out = "`ise check` lists all damage, `ise repair` repairs what it can."
        try:
            current = self.snapshots.current()
        except (Corrupt, NotFound) as error:
            raise Corrupt(f"{error.detail} {way_out}") from error
        if current is None and any(older.visual for older in self.snapshots.readable()):
            path = self.snapshots.folder / CURRENT
            raise Corrupt(f"{path} is missing, though there are snapshots. {way_out}")
        return current

    def tell(self, changed: Callable[[], None]) -> None:
        """Has a function called after each publication and each deletion."""
        self._changed = changed

    def current(self) -> Manifest:
        """The current snapshot's manifest."""
        if self._current is None:
            raise RuntimeError("the publisher was not started")
        if self._is_shared and self.snapshots.current_number() != self._current.number:
            # Another worker published it.
            found = self._found()
            if found is not None:
                self.segments.keep_open(found.files())
                self._current = found
        return self._current

    def is_empty(self) -> bool:
        """Return whether the current snapshot has no image that isn't deleted."""
        return not self._live(self.current())

    def network(self) -> str | None:
        """The matching network in use: the snapshot's, else the one that was in use last."""
        joint = self.current().joint
        return joint.fingerprint if joint is not None else self._networks.current()

    def calibration_of(self, network: str) -> list[Calibration]:
        """How scores of a network's joint space become probabilities."""
        return self._networks.calibration(network)

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
            self.deletions.finish_left()
            number = (self.snapshots.current_number() or 0) + 1
            number = max([number, *(n + 1 for n in self.snapshots.numbers())])
            complete = complete or partial(self._growth.with_pending, may_lag=may_lag)
            manifest = self.fit.with_canaries(complete(make(number)))
            self._check_turn()
            self.snapshots.publish(manifest)
            self._current = manifest
            failpoints.reach("publish.done")
            self._use_network(manifest)
            self._retention.remove_old(manifest, not self._is_shared)
            self._changed()
        log.info("published snapshot %d: %s", manifest.number, manifest.reason)
        return manifest

    def publish_pending(self, reason: str, may_lag: bool = False) -> Manifest:
        """Publishes what changed since the current snapshot, if anything did."""
        with self._lock:
            current = self.current()
            with self._images.view() as view:
                behind = view.revision > current.revision
            if not behind:
                return current
            return self.publish(
                lambda number: current.model_copy(
                    update={"number": number, "created_at": _now(), "reason": reason}
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
                current = self.current()
                self.publish(
                    lambda number: current.model_copy(
                        update={"number": number, "created_at": _now(), "reason": _RETAG_REASON}
                    ),
                    self._growth.with_own_records,
                )

    def publish_first(self, fingerprint: str, reason: str, may_lag: bool = False) -> Manifest:
        """Publishes images of a collection that has no index yet: one list, scanned exactly."""
        with self._lock:
            current = self.current()
            if self._live(current):
                return self.publish_pending(reason, may_lag)
            with self._images.view() as view:
                where = view.features(fingerprint)
                revision, items = view.revision, view.items(fingerprint)
            if not len(where):
                return current
            records = self.segments.items(items)
            space = self._first_space(fingerprint, where, records)
            return self.publish(
                lambda number: _empty(number, revision).model_copy(
                    update={
                        "reason": reason,
                        "items": [records],
                        "visual": space,
                    }
                )
            )

    def _first_space(
        self, fingerprint: str, where: FeatureRows, records: SegmentFile
    ) -> SpaceManifest:
        blocks = self._features.blocks(fingerprint, where)
        if self.spaces.are_elsewhere:
            metric, ordinals = Metric.COSINE, where.ordinals
            return self.spaces.made("visual", fingerprint, metric, 1, ordinals, blocks, [records])
        vectors = self._features.read(fingerprint, where[sample_rows(len(where), 1, seed=0)])
        centroids = train_centroids(vectors, 1, Metric.COSINE, seed=0)
        partition, lists = Partition(centroids, Metric.COSINE), np.zeros(len(where), np.int64)
        postings = self.segments.postings("visual", partition, blocks, lists, where.ordinals)
        return SpaceManifest(
            fingerprint=fingerprint,
            dim=partition.dim,
            metric=Metric.COSINE,
            clusters=1,
            seed=0,
            postings=[postings],
            built=self.segments.built(postings),
        )

    def activate(self, number: int) -> Manifest:
        """Rolls back to an older snapshot; what came since, of the same models, stays."""
        with self._lock:
            failpoints.reach("rollback.begin")
            older = self.snapshots.read(number)
            if older.visual is None:
                raise Conflict(f"Snapshot {number} is empty; you can't roll back to it.")
            for file in older.files():
                self.snapshots.verified(file)
            visual = self.current().visual
            others = visual is not None and visual.fingerprint != older.visual.fingerprint
            if others and not self._live(older):
                # What is there now is of another model, so it would hide all and show nothing.
                raise Conflict(
                    f"Every image of snapshot {number} was deleted; you can't roll back to it."
                )
            return self.publish(
                lambda new: older.model_copy(
                    update={
                        "number": new,
                        "created_at": _now(),
                        "reason": f"roll-back to snapshot {number}",
                    }
                )
            )

    def tidy(self) -> None:
        """Removes what this thread wrote for a snapshot that was never published.

        Of a worker that ended, too, what it left half-published.
        """
        with self._lock:
            if self._is_shared:
                self.snapshots.remove_unpublished()
                self.deletions.finish()
            self._retention.remove_old(self.current(), not self._is_shared)

    def _forget(self, ordinals: list[int]) -> None:
        self.spaces.forget(self.current(), ordinals)
        self._changed()

    def check_lease(self) -> None:
        """Raises LeaseLost where the job that this is of was given to another worker."""
        with self._images.database.note() as db:
            lease_fence.cross(db)

    def _check_turn(self) -> None:
        """Raises LeaseLost where another worker has the turn by now, or the job that this is of."""
        self._lock.check()
        self.check_lease()

    def _live(self, manifest: Manifest) -> int:
        return self.segments.live(manifest, self.tombstones.read())

    def _use_network(self, manifest: Manifest) -> None:
        if manifest.joint is not None:
            self._networks.use(manifest.joint.fingerprint)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _empty(number: int, revision: int) -> Manifest:
    return Manifest(number=number, created_at=_now(), reason="empty", revision=revision, images=0)
