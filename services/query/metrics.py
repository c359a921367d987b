"""Metrics of the query service: the snapshot that it serves, and how right its answers are."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Summary
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.query.canary import CanaryWatch
from services.query.search.snapshot_reader import SnapshotReader
from shared.core.errors import ISEError
from shared.models.canary import LARGEST_DRIFT


class LiveRecallMetrics:
    """Measured and expected recall of the audited answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._found = Summary(
            "ise_live_recall",
            "Share of the exact answer that a sampled live answer held.",
            registry=registry,
        )
        self._expected = Summary(
            "ise_live_recall_expected",
            "Share of the exact answer that the sampled live answers were expected to hold.",
            registry=registry,
        )

    def observe(self, found: float, expected: float) -> None:
        """Counts an answer."""
        self._found.observe(found)
        self._expected.observe(expected)


class LeftOutMetric:
    """Images in answers from which annotations of an earlier version were omitted."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._images = Counter(
            "ise_images_left_out",
            "Images in answers of which something was left out, as no answer can give it; "
            "`ise check` names them.",
            registry=registry,
        )

    def observe(self, images: int) -> None:
        """Counts images of an answer."""
        self._images.inc(images)


class QueryMetrics(Collector):
    """Metrics that are read on each request."""

    def __init__(
        self, snapshots: SnapshotReader, canary: CanaryWatch, recall_target: float
    ) -> None:
        self._snapshots = snapshots
        self._canary = canary
        self._recall_target = recall_target

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "ise_recall_target", "The recall of searches that name none.", self._recall_target
        )
        yield GaugeMetricFamily(
            "ise_model_drift_limit",
            "The largest ise_model_drift_distance at which pictures are searched by.",
            LARGEST_DRIFT,
        )
        yield from self._snapshot()

    def _snapshot(self) -> Iterator[Metric]:
        try:
            collection, deleted = self._snapshots.current()
            drift = self._canary.drift()
        except ISEError:
            # `ise_ready` is 0 in that case.
            return
        manifest = collection.manifest
        yield GaugeMetricFamily(
            "ise_served_snapshot_number", "Number of the snapshot that is served.", manifest.number
        )
        created = datetime.fromisoformat(manifest.created_at) if manifest.created_at else None
        yield GaugeMetricFamily(
            "ise_served_snapshot_created_timestamp_seconds",
            "When the snapshot that is served was published; 0: there is none.",
            created.timestamp() if created else 0,
        )
        yield GaugeMetricFamily(
            "ise_served_images", "Images that a search can find.", collection.live(deleted)
        )
        yield GaugeMetricFamily(
            "ise_snapshot_damaged",
            "Whether the snapshot in use is damaged, so that an older one is served.",
            float(self._snapshots.warning is not None),
        )
        yield GaugeMetricFamily(
            "ise_model_drift_distance",
            "Cosine distance of what the model makes of the built-in picture to what it made when "
            "the index was built; 0 before the first search by a picture.",
            drift.distance if drift else 0.0,
        )
