"""Keeps the current snapshot in step with the catalogue.

The catalogue is the truth. A snapshot says up to which revision of it it goes; what came later is
written as small segments on the same centroids, and a new snapshot names them beside the old ones.
So an addition costs what it brings, and a process killed at any point catches up at its next start.
"""

import logging
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.images import FeatureRows, Images, View
from services.indexer.clustering import assign, sample_rows, train_centroids
from services.indexer.embedding import Embedding, ModelPair
from services.indexer.features import FeatureStore
from services.indexer.networks import Networks
from services.indexer.segments import SegmentStore
from services.indexer.tag_vectors import joint_tag_vectors
from shared import durable
from shared.contracts.query import Metric
from shared.errors import (
    Conflict,
    Corrupt,
    FingerprintMismatch,
    Misconfigured,
    NotFound,
    Overloaded,
    Unavailable,
)
from shared.ivf.partition import Partition
from shared.ivf.reader import Postings
from shared.snapshots.items import Item, tag_key
from shared.snapshots.manifest import Manifest, SegmentFile, SnapshotStore, SpaceManifest
from shared.snapshots.tag_vectors import read_tag_vectors
from shared.snapshots.tombstones import Tombstones

log = logging.getLogger(__name__)

BUILD_REASON = "build"
TRAIN_REASON = "matching network trained"
_RETAG_REASON = "image retagged"

# So many additions are merged into one: each costs a query a little.
_MAX_ADDITIONS = 8
_KEPT_SNAPSHOTS = 10
_KEPT_BUILDS = 5
# What asking the embedder may end with where it is away or its models don't fit.
_NOT_EMBEDDED = (Unavailable, Overloaded, Conflict, NotFound, Corrupt)


class Publisher:
    """The one that publishes. One publication at a time; each is whole or not there."""

    def __init__(
        self, data_dir: Path, images: Images, features: FeatureStore, embedding: Embedding
    ) -> None:
        self.snapshots = SnapshotStore(data_dir)
        self.segments = SegmentStore(data_dir)
        self.tombstones = Tombstones(data_dir)
        self._networks = Networks(data_dir)
        self._images = images
        self._features = features
        self._embedding = embedding
        self._lock = threading.RLock()

    def start(self) -> None:
        """Catches up with what was acknowledged before the process ended last."""
        for folder in (self.snapshots.folder, self.segments.folder):
            durable.make_dir(folder)
            durable.remove_temporaries(folder)
        current = self.snapshots.current()
        with self._images.view() as view:
            if current is not None and view.revision < current.revision:
                # Its numbers would be used twice, and its next changes taken for published ones.
                raise Misconfigured(
                    f"The catalogue is older than snapshot {current.number} in "
                    f"{self.snapshots.folder}. Restore both from one backup, or set ISE_DATA_DIR "
                    "to an empty folder."
                )
        dead = set(self.tombstones.read().tolist())
        self._images.remove([o for o in self._images.all_ordinals() if o in dead])
        if current is None:
            self.publish(lambda number: _empty(number, revision=0))
        else:
            self._use_network(current)

    def current(self) -> Manifest:
        """The current snapshot's manifest."""
        manifest = self.snapshots.current()
        if manifest is None:
            raise RuntimeError("the publisher was not started")
        return manifest

    def is_empty(self) -> bool:
        """Whether the current snapshot has no image that isn't deleted."""
        return not self._live(self.current())

    def network(self) -> str | None:
        """The matching network in use: the snapshot's, else the one that was in use last."""
        joint = self.current().joint
        return joint.fingerprint if joint is not None else self._networks.current()

    def check_visual(self, pair: ModelPair) -> None:
        """Raises FingerprintMismatch when images of this model would not fit the snapshot."""
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
                f"The matching network was trained on {current.matching_fingerprint}, but the "
                f"embedder hosts {pair.matching} for matching. Put the former model back, or "
                "train anew: `ise build`, then `ise train-matching`.",
                index=current.matching_fingerprint,
                embedder=pair.matching,
            )
        network = current.joint.fingerprint
        if not self._embedding.has_network(network):
            words = self._embedding.models().words.fingerprint
            raise FingerprintMismatch(
                f"The index is made with the matching network {network}, which is damaged or was "
                f"trained on other word vectors than {words}, which the embedder hosts. Put the "
                "former ones back (ISE_WORDS), or train anew: `ise train-matching`.",
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
            number = (self.snapshots.current_number() or 0) + 1
            number = max([number, *(n + 1 for n in self.snapshots.numbers())])
            manifest = (complete or self._with_pending)(make(number))
            self.snapshots.publish(manifest)
            self._use_network(manifest)
            self._remove_old(manifest)
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
        except _NOT_EMBEDDED as error:
            log.warning("only retags can be published yet: %s", error.detail)
            with self._lock:
                current = self.current()
                self.publish(
                    lambda number: current.model_copy(
                        update={"number": number, "created_at": _now(), "reason": _RETAG_REASON}
                    ),
                    self._with_own_records,
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
            older = self.snapshots.read(number)
            if older.visual is None:
                raise Conflict(f"Snapshot {number} is empty; there is nothing to go back to.")
            for file in older.files():
                self.snapshots.verified(file)
            return self.publish(
                lambda new: older.model_copy(
                    update={
                        "number": new,
                        "created_at": _now(),
                        "reason": f"roll-back to snapshot {number}",
                    }
                )
            )

    def delete(self, image_id: str) -> None:
        """Deletes an image from every snapshot, durably. Raises NotFound."""
        with self._lock:
            ordinal = self._images.ordinal(image_id)
            self.tombstones.add([ordinal])
            self._images.remove([ordinal])

    def _with_pending(self, base: Manifest) -> Manifest:
        if base.visual is None:
            return base
        dead = self.tombstones.read()
        with self._images.view() as view:
            visual = self._extended(base.visual, "visual", view, base, base.visual.fingerprint)
            joint = base.joint
            if joint is not None and base.matching_fingerprint is not None:
                joint = self._extended(joint, "joint", view, base, base.matching_fingerprint)
            changed = view.items(visual.fingerprint, since=base.revision)
            items = [*base.items, self.segments.items(changed)] if changed else base.items
            manifest = base.model_copy(
                update={
                    "revision": view.revision,
                    "items": self._merged(items, lambda f: self.segments.merged_items(f, dead)),
                    "visual": self._with_merged(visual, "visual", dead),
                    "joint": joint and self._with_merged(joint, "joint", dead),
                    "tag_vectors": self._with_new_tags(base, joint, changed),
                }
            )
        return manifest.model_copy(update={"images": self._live(manifest)})

    def _with_own_records(self, base: Manifest) -> Manifest:
        """With new records of the base's own images; as the rest is pending, its revision stays."""
        if base.visual is None:
            return base
        parts = [Postings(self.segments.path(file)).ordinals for file in base.visual.postings]
        own = set(np.concatenate(parts).tolist())
        with self._images.view() as view:
            pending = view.items(base.visual.fingerprint, since=base.revision)
        changed = [item for item in pending if item.ordinal in own]
        if not changed:
            return base
        dead = self.tombstones.read()
        items = [*base.items, self.segments.items(changed)]
        return base.model_copy(
            update={
                "items": self._merged(items, lambda f: self.segments.merged_items(f, dead)),
                "tag_vectors": self._with_new_tags(base, base.joint, changed),
            }
        )

    def _extended(
        self, space: SpaceManifest, name: str, view: View, base: Manifest, fingerprint: str
    ) -> SpaceManifest:
        """A space with the images whose features came after the base."""
        # Beside the visual features: an image without them has no record, so no answer may have it.
        beside = base.visual.fingerprint if base.visual is not None else None
        rows = view.features(fingerprint, since=base.revision, beside=beside)
        where = self._new_rows(space, rows)
        if not len(where):
            return space
        vectors = self._features.read(fingerprint, where)
        if name == "joint":
            vectors = self._embedding.project(vectors, fingerprint, space.fingerprint)
        partition = self.segments.partition(space)
        blocks = [(0, vectors)]
        lists = assign(blocks, len(where), partition.centroids, space.metric)
        file = self.segments.postings(
            name, partition, blocks, lists, where.ordinals, is_first=False
        )
        return space.model_copy(update={"postings": [*space.postings, file]})

    def _new_rows(self, space: SpaceManifest, where: FeatureRows) -> FeatureRows:
        """Without the images that the space holds already: their features came anew, unchanged."""
        new = np.ones(len(where), bool)
        for file in space.postings:
            new &= Postings(self.segments.path(file)).find(where.ordinals) < 0
        return where[new]

    def _use_network(self, manifest: Manifest) -> None:
        if manifest.joint is not None:
            self._networks.use(manifest.joint.fingerprint)

    def _with_new_tags(
        self, base: Manifest, joint: SpaceManifest | None, changed: list[Item]
    ) -> list[SegmentFile]:
        """Files of tag vectors, with those of the tags that the changed images bring."""
        if joint is None:
            return []
        known = {key for f in base.tag_vectors for key in read_tag_vectors(self.segments.path(f))}
        carriers: dict[str, list[int]] = {}
        for item in changed:
            for tag in item.tags:
                if (key := tag_key(tag)) not in known:
                    carriers.setdefault(key, []).append(item.ordinal)
        if not carriers:
            return list(base.tag_vectors)
        try:
            vectors = joint_tag_vectors(self.segments, joint, carriers, self._embedding)
        except _NOT_EMBEDDED as error:
            # A retag needs no embedder, nor one that fits: until the next build such a tag is
            # searched by the mean of its images.
            log.warning("new tags have no vectors yet: %s", error.detail)
            return list(base.tag_vectors)
        files = [*base.tag_vectors, self.segments.tag_vectors(vectors)]
        return self._merged(files, self.segments.merged_tag_vectors)

    def _with_merged(
        self, space: SpaceManifest, name: str, dead: NDArray[np.int64]
    ) -> SpaceManifest:
        files = self._merged(
            space.postings, lambda files: self.segments.merged_postings(name, space, files, dead)
        )
        return space.model_copy(update={"postings": files})

    @staticmethod
    def _merged(
        files: list[SegmentFile], merge: Callable[[list[SegmentFile]], SegmentFile]
    ) -> list[SegmentFile]:
        """The additions as one file when there are many; the first file stays as it is."""
        if len(files) <= _MAX_ADDITIONS + 1:
            return list(files)
        return [files[0], merge(files[1:])]

    def _live(self, manifest: Manifest) -> int:
        """The number of images in a snapshot, less those deleted since."""
        if manifest.visual is None:
            return 0
        dead = self.tombstones.read()
        counts = [
            int((~np.isin(Postings(self.segments.path(f)).ordinals, dead)).sum())
            for f in manifest.visual.postings
        ]
        return sum(counts)

    def _remove_old(self, current: Manifest) -> None:
        """Removes snapshots past the kept ones, and the segments that only they had."""
        found = self.snapshots.readable()
        older = found[:-_KEPT_SNAPSHOTS]
        builds = [m for m in older if m.reason in (BUILD_REASON, TRAIN_REASON)]
        kept = [*builds[-_KEPT_BUILDS:], *found[-_KEPT_SNAPSHOTS:], current]
        numbers = {manifest.number for manifest in kept}
        for manifest in older:
            if manifest.number not in numbers:
                path = self.snapshots.path(manifest.number)
                path.unlink()
                shutil.rmtree(path.parent, ignore_errors=True)
        self.segments.remove_unless({f.name for m in kept for f in m.files()})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _empty(number: int, revision: int) -> Manifest:
    return Manifest(number=number, created_at=_now(), reason="empty", revision=revision, images=0)
