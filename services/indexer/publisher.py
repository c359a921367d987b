"""Keeps the current snapshot in step with the catalogue.

The catalogue is the truth. A snapshot says up to which revision of it it goes; what came later is
written as small segments on the same centroids, and a new snapshot names them beside the old ones.
So an addition costs what it brings, and a process killed at any point catches up at its next start.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from services.indexer.canaries import Canaries
from services.indexer.catalog.fingerprints import mismatch
from services.indexer.catalog.images import Images
from services.indexer.catalog.places import Bury
from services.indexer.clustering import sample_rows, train_centroids
from services.indexer.embedding import Embedding, ModelPair
from services.indexer.features import FeatureStore
from services.indexer.files import ImageFiles
from services.indexer.growth import NOT_EMBEDDED, Growth
from services.indexer.networks import Networks
from services.indexer.retention import Retention
from services.indexer.segments import SegmentStore
from shared import durable, failpoints
from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.errors import (
    BadVector,
    Conflict,
    Corrupt,
    FingerprintMismatch,
    Misconfigured,
    NotFound,
)
from shared.ivf.partition import Partition
from shared.snapshots.manifest import CURRENT, Manifest, SnapshotStore, SpaceManifest
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
    ) -> None:
        self.snapshots = SnapshotStore(data_dir)
        self.segments = SegmentStore(data_dir)
        self.tombstones = Tombstones(data_dir)
        self._networks = Networks(data_dir)
        self._images = images
        self._features = features
        self._files = files
        self._embedding = embedding
        self._canaries = Canaries(features, embedding)
        self._growth = Growth(self.segments, self.tombstones, images, features, embedding)
        self._retention = Retention(self.snapshots, self.segments)
        self._current: Manifest | None = None
        self._changed: Callable[[], None] = lambda: None
        self._lock = threading.RLock()

    def start(self) -> None:
        """Catches up with what was acknowledged before the process ended last."""
        for folder in (self.snapshots.folder, self.segments.folder):
            durable.make_dir(folder)
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
        self._finish_deletions()
        if current is None:
            self.publish(lambda number: _empty(number, revision=0))
        else:
            self._current = current
            self._use_network(current)

    def _found(self) -> Manifest | None:
        """The snapshot to go on with; None where there never was one. Raises Corrupt."""
        way_out = "`ise check` names all that is damaged, `ise repair` mends what can be mended."
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
        return self._current

    def is_empty(self) -> bool:
        """Whether the current snapshot has no image that isn't deleted."""
        return not self._live(self.current())

    def network(self) -> str | None:
        """The matching network in use: the snapshot's, else the one that was in use last."""
        joint = self.current().joint
        return joint.fingerprint if joint is not None else self._networks.current()

    def calibration_of(self, network: str) -> list[Calibration]:
        """How scores of a network's joint space become probabilities."""
        return self._networks.calibration(network)

    def check_visual(self, pair: ModelPair) -> None:
        """Raises FingerprintMismatch or ModelDrift when such images would not fit the snapshot."""
        self.check_drift(pair)
        current = self.current()
        if current.visual is None or not self._live(current):
            return
        if current.visual.fingerprint != pair.visual:
            raise FingerprintMismatch(
                f"The collection is indexed with {current.visual.fingerprint}, but the embedder "
                f"hosts {pair.visual}. Put the former model back, or build the index anew "
                "(`ise build`), which embeds every image with the new one.",
                index=current.visual.fingerprint,
                embedder=pair.visual,
            )

    def check_drift(self, pair: ModelPair) -> None:
        """Raises ModelDrift when features of now would not fit those that are stored."""
        self._canaries.check(pair)

    def check_vectors(self, fingerprint: str, dim: int) -> None:
        """Raises FingerprintMismatch or BadVector when such vectors would not fit the snapshot."""
        current = self.current()
        if current.visual is None or not self._live(current):
            return
        if current.visual.fingerprint != fingerprint:
            raise mismatch(current.visual.fingerprint, fingerprint)
        if current.visual.features_dim != dim:
            raise BadVector(
                f"The vectors have {dim} numbers; those of {fingerprint} have "
                f"{current.visual.features_dim}."
            )

    def check_model(self, pair: ModelPair) -> None:
        """Raises FingerprintMismatch when additions by these models would not fit the snapshot.

        Asked before anything is recorded, so that a refused addition leaves nothing behind.
        """
        self.check_visual(pair)
        current = self.current()
        if current.joint is None or not self._live(current):
            return
        if current.matching_fingerprint != pair.matching:
            raise FingerprintMismatch(
                f"The joint space is made with {current.matching_fingerprint}, but the embedder "
                f"hosts {pair.matching} for matching. Put the former model back, or make it anew: "
                "`ise build`.",
                index=current.matching_fingerprint,
                embedder=pair.matching,
            )
        network = current.joint.fingerprint
        if not self._embedding.has_network(network, pair.matching):
            words = self._embedding.models().words.fingerprint
            anew = "ise train-matching" if pair.joint is None else "ise build"
            raise FingerprintMismatch(
                f"The index is made with the matching network {network}, which is damaged or of "
                f"another model of words than {words}, which the embedder hosts. Put the former "
                f"one back (ISE_WORDS, ISE_MATCHING), or make it anew: `{anew}`.",
                index=network,
                embedder=words,
            )

    def publish(
        self,
        make: Callable[[int], Manifest],
        complete: Callable[[Manifest], Manifest] | None = None,
    ) -> Manifest:
        """Publishes the snapshot that `make` gives for a number, and what came since with it.

        `complete` adds what came since; by default all of it.
        """
        with self._lock:
            failpoints.reach("publish.begin")
            number = (self.snapshots.current_number() or 0) + 1
            number = max([number, *(n + 1 for n in self.snapshots.numbers())])
            complete = complete or self._growth.with_pending
            manifest = self._canaries.beside(complete(make(number)))
            self.snapshots.publish(manifest)
            self._current = manifest
            failpoints.reach("publish.done")
            self._use_network(manifest)
            self._retention.remove_old(manifest)
            self._changed()
        log.info("published snapshot %d: %s", manifest.number, manifest.reason)
        return manifest

    def publish_pending(self, reason: str) -> Manifest:
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
                )
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

    def publish_first(self, fingerprint: str, reason: str) -> Manifest:
        """Publishes images of a collection that has no index yet: one list, scanned exactly."""
        with self._lock:
            current = self.current()
            if self._live(current):
                return self.publish_pending(reason)
            with self._images.view() as view:
                where = view.features(fingerprint)
                revision, items = view.revision, view.items(fingerprint)
            if not len(where):
                return current
            chosen = sample_rows(len(where), 1, seed=0)
            vectors = self._features.read(fingerprint, where[chosen])
            centroids = train_centroids(vectors, 1, Metric.COSINE, seed=0)
            postings = self.segments.postings(
                "visual",
                Partition(centroids, Metric.COSINE),
                self._features.blocks(fingerprint, where),
                np.zeros(len(where), np.int64),
                where.ordinals,
            )
            space = SpaceManifest(
                fingerprint=fingerprint,
                dim=centroids.shape[1],
                metric=Metric.COSINE,
                clusters=1,
                seed=0,
                postings=[postings],
                built=self.segments.built(postings),
            )
            return self.publish(
                lambda number: _empty(number, revision).model_copy(
                    update={
                        "reason": reason,
                        "items": [self.segments.items(items)],
                        "visual": space,
                    }
                )
            )

    def activate(self, number: int) -> Manifest:
        """Rolls back to an older snapshot; what came since, of the same models, stays."""
        with self._lock:
            failpoints.reach("rollback.begin")
            older = self.snapshots.read(number)
            if older.visual is None:
                raise Conflict(f"Snapshot {number} is empty; there is nothing to go back to.")
            for file in older.files():
                self.snapshots.verified(file)
            visual = self.current().visual
            others = visual is not None and visual.fingerprint != older.visual.fingerprint
            if others and not self._live(older):
                # What is there now is of another model, so it would hide all and show nothing.
                raise Conflict(
                    f"Every image of snapshot {number} was deleted; there is nothing to go back to."
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
        """Removes what this thread wrote for a snapshot that was never published."""
        with self._lock:
            self._retention.remove_old(self.current())

    @contextmanager
    def burying(self) -> Iterator[Bury]:
        """Gives what deletes images; nothing is published meanwhile.

        Where the block raises, as on a full disk, none of them is deleted anywhere.
        """
        with self._lock:
            with self.tombstones.adding() as add, ExitStack() as files:

                def bury(deleted: Mapping[int, str]) -> None:
                    # The tombstone decides: from then on a process that is killed goes on with it.
                    add(list(deleted))
                    files.enter_context(self._files.removing(deleted.values()))
                    failpoints.reach("delete.buried")

                yield bury
            failpoints.reach("delete.done")
            self._changed()

    def _finish_deletions(self) -> None:
        """Takes what is buried out of the catalogue too, where a process was killed between."""
        dead = set(self.tombstones.read().tolist())
        left = [ordinal for ordinal in self._images.all_ordinals() if ordinal in dead]
        for image_id in self._images.ids(left):
            self._files.remove(image_id)
        if left:
            self._images.remove(left)

    def _live(self, manifest: Manifest) -> int:
        return self.segments.live(manifest, self.tombstones.read())

    def _use_network(self, manifest: Manifest) -> None:
        if manifest.joint is not None:
            self._networks.use(manifest.joint.fingerprint)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _empty(number: int, revision: int) -> Manifest:
    return Manifest(number=number, created_at=_now(), reason="empty", revision=revision, images=0)
