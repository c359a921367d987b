"""The parts of the indexer, put together once; routes find them in the app's state."""

import asyncio
from collections.abc import Callable

from fastapi import Request

from services.indexer.catalog.database import Database, is_shared
from services.indexer.catalog.images import Images
from services.indexer.catalog.job_chunks import PartTable
from services.indexer.catalog.jobs import JobTable
from services.indexer.catalog.locks import WorkerPresence
from services.indexer.catalog.source_claims import Origins
from services.indexer.catalog.vectors import VectorTable
from services.indexer.catalog.worker import Worker
from services.indexer.config import IndexerSettings
from services.indexer.embedding.canaries import Canaries
from services.indexer.embedding.client import Embedding
from services.indexer.embedding.external_guard import ExternalGuard
from services.indexer.embedding.registry import Embedders
from services.indexer.ingest.distributed import DistributedIngest
from services.indexer.ingest.pipeline import IngestSettings
from services.indexer.ingest.uploads import Uploads
from services.indexer.jobs.leases import Leases
from services.indexer.jobs.runner import JobRunner
from services.indexer.publishing.publisher import Publisher
from services.indexer.replication.snapshot_mirror import Mirror
from services.indexer.sources.allowlist import Roots
from services.indexer.sources.resolver import Reach
from services.indexer.storage.blob_store import BlobStore, RemoteBlobStore
from services.indexer.storage.directory_lock import DirectoryLock
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.storage.image_files import ImageFiles
from services.indexer.storage.networks import Networks
from services.indexer.transfer.exporter import Exporter
from services.indexer.transfer.vector_intake import Vectors
from services.indexer.workflows.compaction import Compaction
from services.indexer.workflows.dispatch import JobDispatcher
from services.indexer.workflows.engine_migration import EngineMigration
from services.indexer.workflows.learning import Learning
from services.indexer.workflows.matching_training import MatchingTraining
from services.indexer.workflows.upkeep import Upkeep
from shared.contracts.jobs import JobKind
from shared.contracts.migration import Engine
from shared.core.settings import store_at
from shared.engines.milvus.server import Milvus
from shared.files import durable
from shared.media.fetching import Fetcher
from shared.objects.address import Address
from shared.objects.store import Objects


class Container:
    """Everything that a running indexer is made of."""

    def __init__(self, settings: IndexerSettings, embedders: Embedders) -> None:
        data = settings.data_dir
        durable.make_dir(data)
        self.settings = settings
        self._lock = DirectoryLock(data, shared=is_shared(settings.catalog_url))
        self.database = Database(settings.catalog_url)
        self._presence = WorkerPresence(self.database)
        self.images = Images(self.database)
        self.origins = Origins(self.database)
        worker = Worker(self.database, settings.lease_seconds)
        self.job_table = JobTable(self.database, worker)
        leases = Leases(worker, also=self._presence.renew)
        self.reach = _reach(settings)
        self._sharing = DistributedIngest(
            self.job_table, PartTable(self.database, worker), leases, self.reach
        )
        self.files = ImageFiles(
            data,
            settings.thumbnail_pixels,
            settings.max_pixels,
            self.reach,
            _kept(settings, self.reach),
            settings.max_image_bytes,
        )
        self._embedders = embedders
        features = FeatureStore(data)
        canaries = Canaries(features, self.database)
        attempts = settings.embed_attempts
        embedding = Embedding(embedders, canaries, attempts, indexed=self._indexed)
        # Where somebody waits for the answer: it should come soon, or say that it doesn't.
        interactive_client = Embedding(embedders, canaries, min(2, attempts), indexed=self._indexed)
        self._milvus = Milvus(settings.milvus_uri, settings.milvus_token.get_secret_value())
        index = settings.milvus_index if settings.engine is Engine.MILVUS else None
        self.publisher = Publisher(
            data, self.images, features, self.files, interactive_client, self._milvus, index
        )
        table = VectorTable(self.database)
        self.vectors = Vectors(table, features)
        self.external = ExternalGuard(table, interactive_client)
        self.additions = Uploads(
            self.images,
            features,
            self.files,
            interactive_client,
            self.publisher,
            self.external,
            settings.embed_batch,
        )
        self.exporter = Exporter(data, self.images, features, self.publisher)
        self._mirror = _mirror(settings, self.reach.objects)
        self._matching = MatchingTraining(
            data, self.images, features, embedders, self._mirror, attempts
        )
        roots = _roots(settings)
        self.learning = Learning(
            self.publisher,
            self.images,
            Networks(data),
            self.job_table,
            is_on=settings.learn_after > 0,
        )
        workshop = JobDispatcher.of(
            images=self.images,
            origins=self.origins,
            features=features,
            files=self.files,
            embedding=embedding,
            publisher=self.publisher,
            matching=self._matching,
            vectors=self.vectors,
            external=self.external,
            ingest=IngestSettings(
                settings.embed_batch,
                settings.embed_concurrency,
                settings.max_image_bytes,
                min(IngestSettings.batch_bytes, settings.max_body_bytes),
                settings.source_reads,
            ),
            roots=roots,
            reach=self.reach,
            learning=self.learning,
            sharing=self._sharing if self.database.is_shared else None,
        )
        self.ingest_roots = roots
        compaction = Compaction(self.publisher)
        self.migration = EngineMigration(self.publisher, settings.engine)
        kinds = workshop.kinds() | {
            JobKind.COMPACT: compaction.run,
            JobKind.MIGRATE: self.migration.run,
        }
        self.jobs = JobRunner(
            self.job_table,
            kinds,
            workshop.settle,
            lambda: self._between_jobs(workshop.help),
            leases,
        )
        self._upkeep = Upkeep(
            compaction, self.jobs, self.job_table, self.learning, settings.learn_after
        )
        self.is_started = False

    def start(self) -> None:
        is_alone = self._presence.is_first
        if is_alone:
            # Nothing is being written yet: what is half-written is a killed process's.
            for name in ("features", "networks"):
                durable.remove_temporaries(self.settings.data_dir / name)
            self.files.tidy()
            self.publisher.tombstones.tidy()
            self._matching.start()
        self.publisher.start(is_alone)
        self._presence.admit()
        self.publisher.tell(self._changed)
        if self._mirror is not None:
            self._mirror.start()
        self.jobs.start()
        self._upkeep.start()
        self.is_started = True

    def interrupt(self) -> None:
        """Has what runs end at its next step; it goes on at the next start, or at other workers."""
        self._sharing.interrupt()
        self.jobs.interrupt()

    def stop(self) -> None:
        self.interrupt()
        self._upkeep.stop()
        self.jobs.stop(self.settings.shutdown_seconds)
        if self._mirror is not None:
            self._mirror.stop()
        self._presence.end()
        self.database.close()
        self._embedders.close()
        self._milvus.close()
        self._lock.release()

    def _between_jobs(self, help_others: Callable[[], bool]) -> bool:
        self.publisher.deletions.finish_left()
        return help_others()

    def _changed(self) -> None:
        self._upkeep.consider()
        if self._mirror is not None:
            self._mirror.consider()

    def _indexed(self) -> str | None:
        visual = self.publisher.current().visual
        return None if visual is None else visual.fingerprint

    @property
    def warning(self) -> str | None:
        """The first warning of any part, or None."""
        return None if self._mirror is None else self._mirror.warning

    def not_ready(self) -> str | None:
        """Why the indexer can't serve, or None."""
        return (
            None
            if self.jobs.alive
            else "The thread that runs jobs has stopped; restart the indexer."
        )


def _reach(settings: IndexerSettings) -> Reach:
    fetcher = Fetcher(settings.fetch_hosts, settings.max_image_bytes, settings.fetch_seconds)
    return Reach(
        Objects(settings.s3_endpoint),
        # In a loop of its own: a job's threads have none.
        lambda url: asyncio.run(fetcher.get(url)),
        settings.source_protocols,
        _roots(settings).of(confined=False),
    )


def _roots(settings: IndexerSettings) -> Roots:
    return Roots.parse(settings.ingest_roots, settings.source_protocols, anywhere=settings.is_local)


def _kept(settings: IndexerSettings, reach: Reach) -> BlobStore | None:
    """Open the remote store of uploads and thumbnails, if one is set. Raises Misconfigured."""
    if not settings.images_url:
        return None
    address = Address.of_store(settings.images_url, "ISE_IMAGES_URL", reach.also)
    return RemoteBlobStore(reach.objects, address)


def _mirror(settings: IndexerSettings, objects: Objects) -> Mirror | None:
    """Raises Misconfigured."""
    if not settings.snapshots_to:
        return None
    return Mirror(settings.data_dir, objects, store_at(settings.snapshots_to, "ISE_SNAPSHOTS_TO"))


def container(request: Request) -> Container:
    """The dependency that gives routes their parts."""
    found: Container = request.app.state.parts
    return found
