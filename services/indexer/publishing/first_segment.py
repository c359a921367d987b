"""First segment of a collection that has no index yet: one list, scanned exactly."""

from datetime import UTC, datetime

import numpy as np

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.images import Images
from services.indexer.clustering.streaming import sample_rows, train_centroids
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.storage.feature_store import FeatureStore
from shared.contracts.query import Metric
from shared.engines.ivf.partition import Partition
from shared.snapshots.manifest import Manifest, SegmentFile, SpaceManifest


class FirstSegment:
    """Writes every image with features of a model as one list."""

    def __init__(self, index: IndexFiles, images: Images, features: FeatureStore) -> None:
        self._segments = index.segments
        self._spaces = index.spaces
        self._images = images
        self._features = features

    def make(self, fingerprint: str, reason: str) -> Manifest | None:
        """Return a manifest of the images, without its number; None if there are none."""
        with self._images.view() as view:
            where = view.features(fingerprint)
            revision, items = view.revision, view.items(fingerprint)
        if not len(where):
            return None
        records = self._segments.items(items)
        space = self._space(fingerprint, where, records)
        return empty_manifest(0, revision).model_copy(
            update={"reason": reason, "items": [records], "visual": space}
        )

    def _space(self, fingerprint: str, where: FeatureRows, records: SegmentFile) -> SpaceManifest:
        blocks = self._features.blocks(fingerprint, where)
        if self._spaces.are_elsewhere:
            metric, ordinals = Metric.COSINE, where.ordinals
            return self._spaces.made("visual", fingerprint, metric, 1, ordinals, blocks, [records])
        vectors = self._features.read(fingerprint, where[sample_rows(len(where), 1, seed=0)])
        centroids = train_centroids(vectors, 1, Metric.COSINE, seed=0)
        partition, lists = Partition(centroids, Metric.COSINE), np.zeros(len(where), np.int64)
        postings = self._segments.postings("visual", partition, blocks, lists, where.ordinals)
        return SpaceManifest(
            fingerprint=fingerprint,
            dim=partition.dim,
            metric=Metric.COSINE,
            clusters=1,
            seed=0,
            postings=[postings],
            built=self._segments.built(postings),
        )


def empty_manifest(number: int, revision: int) -> Manifest:
    """Return the manifest of a snapshot without images."""
    return Manifest(number=number, created_at=now(), reason="empty", revision=revision, images=0)


def now() -> str:
    """Return the time that a manifest is made at."""
    return datetime.now(UTC).isoformat(timespec="seconds")
