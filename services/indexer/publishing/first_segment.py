"""First segment of a collection that has no index yet: one list, scanned exactly."""

from datetime import UTC, datetime

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.images import Images
from services.indexer.clustering.streaming import Blocks
from services.indexer.jobs.context import JobContext
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.segments.engine import NewSpace
from services.indexer.storage.feature_store import FeatureStore
from shared.contracts.indexer import BuildSettings
from shared.contracts.query import Metric
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
        def blocks(rows: FeatureRows) -> Blocks:
            return self._features.blocks(fingerprint, rows)

        new = NewSpace("visual", "", fingerprint, where, blocks, [records])
        one_list = BuildSettings(clusters=1, metric=Metric.COSINE)
        return self._spaces.chosen.build(new, one_list, JobContext.unwatched(), with_codes=False)


def empty_manifest(number: int, revision: int) -> Manifest:
    """Return the manifest of a snapshot without images."""
    return Manifest(number=number, created_at=now(), reason="empty", revision=revision, images=0)


def now() -> str:
    """Return the time that a manifest is made at."""
    return datetime.now(UTC).isoformat(timespec="seconds")
