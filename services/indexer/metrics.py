"""Metrics of the indexer: the catalogue, the snapshot in use, jobs, backups, the disk."""

import logging
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from services.indexer.catalog.counts import Figures, JobFigures
from services.indexer.container import Container
from services.indexer.storage import last_backup
from shared.contracts.jobs import JobKind, JobState
from shared.core.errors import ISEError

log = logging.getLogger(__name__)

_OPEN = tuple(state.value for state in JobState if not state.ended)
_ENDED = tuple(state.value for state in JobState if state.ended)


class IndexerMetrics(Collector):
    """Metrics that are read on each request. `parts` returns None until the indexer has started."""

    def __init__(self, parts: Callable[[], Container | None]) -> None:
        self._parts = parts

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        parts = self._parts()
        if parts is None:
            return
        # A figure that can't be read must not hide the others.
        for read in (self._images, self._index, self._jobs, self._storage):
            try:
                yield from list(read(parts))
            except (ISEError, OSError, SQLAlchemyError) as error:
                log.warning("some metrics can't be read: %s", error)

    def _images(self, parts: Container) -> Iterator[Metric]:
        figures, manifest = Figures(parts.database), parts.current.manifest()
        yield GaugeMetricFamily("ise_catalog_images", "Images of the catalogue.", figures.images())
        yield GaugeMetricFamily(
            "ise_images_unpublished",
            "Images that were added or changed and are in no snapshot yet.",
            figures.changed_since(manifest.revision),
        )
        model = manifest.visual.fingerprint if manifest.visual else None
        yield GaugeMetricFamily(
            "ise_images_waiting",
            "Images that wait for a build: they have no features of the index's model.",
            figures.without_features(model) if model else 0,
        )

    def _index(self, parts: Container) -> Iterator[Metric]:
        manifest = parts.current.manifest()
        found = parts.current.health()
        for name, description, value in (
            ("ise_snapshot_number", "Number of the snapshot in use.", manifest.number),
            (
                "ise_snapshot_created_timestamp_seconds",
                "When the snapshot in use was published.",
                datetime.fromisoformat(manifest.created_at).timestamp(),
            ),
            ("ise_index_images", "Images of the index that aren't deleted.", found.images),
            ("ise_index_clusters", "Clusters of the index.", found.clusters),
            (
                "ise_index_deleted_ratio",
                "Share of the index's rows that are of deleted images.",
                found.deleted,
            ),
            (
                "ise_index_additions_ratio",
                "Share of the index's rows that came after its clusters were made.",
                found.additions,
            ),
            (
                "ise_index_rebuild_due",
                "Whether a rebuild is advised; `ise index` says why.",
                float(found.advice is not None),
            ),
        ):
            yield GaugeMetricFamily(name, description, value)

    def _jobs(self, parts: Container) -> Iterator[Metric]:
        found: JobFigures = Figures(parts.database).jobs()
        now = GaugeMetricFamily("ise_jobs", "Jobs that are queued or running.", labels=["state"])
        ended = CounterMetricFamily(
            "ise_jobs_ended_total", "Jobs that ended, ever.", labels=["kind", "state"]
        )
        last = GaugeMetricFamily(
            "ise_job_last_success_timestamp_seconds",
            "When a job of a kind last succeeded; 0: never.",
            labels=["kind"],
        )
        for state in _OPEN:
            count = sum(found.counts.get((kind.value, state), 0) for kind in JobKind)
            now.add_metric([state], count)
        for kind in JobKind:
            for state in _ENDED:
                ended.add_metric([kind.value, state], found.counts.get((kind.value, state), 0))
            last.add_metric([kind.value], found.succeeded.get(kind.value, 0.0))
        skipped = CounterMetricFamily(
            "ise_optional_steps_skipped_total",
            "Optional steps that jobs went on without since the start.",
            labels=["step", "cause"],
        )
        for labels, count in parts.jobs.skips.all().items():
            skipped.add_metric(labels, count)
        yield from (now, ended, last, skipped)

    def _storage(self, parts: Container) -> Iterator[Metric]:
        data = parts.settings.data_dir
        disk = shutil.disk_usage(data)
        yield GaugeMetricFamily(
            "ise_data_free_bytes", "Free space where ISE_DATA_DIR is.", disk.free
        )
        yield GaugeMetricFamily(
            "ise_data_size_bytes", "Size of the file system where ISE_DATA_DIR is.", disk.total
        )
        yield GaugeMetricFamily(
            "ise_last_backup_timestamp_seconds",
            "When `ise backup` last succeeded; 0: never.",
            last_backup.when(data),
        )
