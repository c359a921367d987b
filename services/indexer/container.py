"""The parts of the indexer, put together once; routes find them in the app's state."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from fastapi import Request

from services.indexer.catalog.database import Database, is_shared
from services.indexer.catalog.images import Images
from services.indexer.catalog.job_chunks import PartTable
from services.indexer.catalog.jobs import JobTable
from services.indexer.catalog.judgements import JudgementTable
from services.indexer.catalog.locks import WorkerPresence
from services.indexer.catalog.removed_files import RemovedFiles
from services.indexer.catalog.source_claims import Origins
from services.indexer.catalog.trash import Trash
from services.indexer.catalog.vectors import VectorTable
from services.indexer.catalog.worker import Worker
from services.indexer.config import IndexerSettings, OcrMode
from services.indexer.curation.duplicates import DuplicatePlans
from services.indexer.curation.editor import Editor
from services.indexer.curation.housekeeping import Housekeeping
from services.indexer.curation.trash_bin import TrashBin
from services.indexer.embedding.canaries import Canaries
from services.indexer.embedding.client import Embedding
from services.indexer.embedding.registry import Embedders
from services.indexer.ingest.distributed import DistributedIngest
from services.indexer.ingest.service import IngestService
from services.indexer.ingest.uploads import Uploads
from services.indexer.jobs.leases import Leases
from services.indexer.jobs.runner import JobRunner, Work
from services.indexer.parts import (
    image_files_of,
    ingest_settings_of,
    mirror_of,
    reader_of,
    resolver_of,
    roots_of,
)
from services.indexer.publishing.collection import Collection
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.reading.reader import is_installed
from services.indexer.sources.reader import SourceReader
from services.indexer.storage.directory_lock import DirectoryLock
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.transfer.exporter import Exporter
from services.indexer.transfer.vector_intake import Vectors
from services.indexer.workflows.build_job import BuildJob
from services.indexer.workflows.build_pipeline import BuildPipeline
from services.indexer.workflows.compaction import Compaction
from services.indexer.workflows.duplicates_job import DuplicatesJob
from services.indexer.workflows.engine_migration import EngineMigration
from services.indexer.workflows.facts_job import FactsJob
from services.indexer.workflows.frames_job import FramesJob, FramesUpkeep
from services.indexer.workflows.import_job import ImportJob
from services.indexer.workflows.index_builder import IndexBuilder
from services.indexer.workflows.ingest_job import IngestJob
from services.indexer.workflows.labelling import AcceptLabelsJob, LabelJob
from services.indexer.workflows.learn_job import LearnJob
from services.indexer.workflows.learning import Learning
from services.indexer.workflows.matching_training import MatchingTraining
from services.indexer.workflows.reembed_job import ReembedJob
from services.indexer.workflows.reembedding import Reembedding
from services.indexer.workflows.shadow_run import ShadowRun
from services.indexer.workflows.sync_job import SyncJob
from services.indexer.workflows.text_job import ReadingUpkeep, TextJob
from services.indexer.workflows.train_job import TrainJob
from services.indexer.workflows.undo_job import UndoJob
from services.indexer.workflows.unembeddable import Unembeddable
from services.indexer.workflows.upkeep import Upkeep
from shared.contracts.jobs import JobKind
from shared.core.budget import Budget
from shared.engines.table import Engines
from shared.files import durable

SPOOL_FOLDER = "spool"
"""Folder in the data directory for the files of uploads that arrive."""
# Files of images that are looked at together, for all requests.
_SIDE_BY_SIDE = 8


class Container:
    """Everything that a running indexer is made of."""

    def __init__(
        self, settings: IndexerSettings, embedders: Embedders, memory: Budget | None = None
    ) -> None:
        """`memory`: budget that work shares with the bodies of requests."""
        data = settings.data_dir
        durable.make_dir(data)
        durable.make_dir(data / SPOOL_FOLDER)
        self.settings = settings
        self._embedders = embedders
        self._lock = DirectoryLock(data, shared=is_shared(settings.catalog_url))

        # The catalogue and the workers that share it.
        self.database = Database(settings.catalog_url)
        self._presence = WorkerPresence(self.database)
        self.images = Images(self.database, keeps_deleted=settings.trash_days > 0)
        self.origins = Origins(self.database)
        worker = Worker(self.database, settings.lease_seconds)
        self.job_table = JobTable(self.database, worker, settings.job_failures)
        leases = Leases(worker, on_beat=self._presence.renew)

        # Sources of pictures, and files on the data volume.
        self.resolver = resolver_of(settings)
        self.ingest_roots = roots_of(settings)
        self.files = image_files_of(settings, self.resolver, memory, self._is_there)
        features = FeatureStore(data)
        self._engines = Engines.of(settings)
        self.index = IndexFiles.at(data, self._engines, settings.engine, settings.milvus_index)
        self._mirror = mirror_of(settings, self.resolver.objects)

        # The collection. A caller waits for interactive requests, so they try twice; jobs are
        # patient.
        canaries = Canaries(features, self.database)
        attempts = settings.embed_attempts
        interactive = Embedding(embedders, canaries, min(2, attempts), indexed=self._indexed)
        patient = Embedding(embedders, canaries, attempts, indexed=self._indexed)
        collection = Collection.of(self.index, self.images, features, self.files, interactive)
        self.external = collection.external
        self.current = collection.current
        self.compatibility = collection.compatibility
        self.deletions = collection.deletions
        self.removal = collection.removal
        self.publisher = collection.publisher

        # Work of the routes.
        self.additions = Uploads(collection, features, self.files, settings.embed_batch, memory)
        self.vectors = Vectors(VectorTable(self.database), features)
        self.exporter = Exporter(data, self.index, self.current, self.images, features)
        # What a person does to pictures that are there.
        self.judgements = JudgementTable(self.database)
        trash = Trash(self.database, features.has)
        self.trash = TrashBin(collection, self.origins, trash, self.files, settings.trash_days)
        self.editor = Editor(
            collection, self.index, self.trash, self.job_table, settings.trash_days
        )
        self.duplicates = DuplicatePlans(collection, self.trash)
        self._housekeeping = Housekeeping(
            self.trash.purge_expired,
            self.editor.tidy,
            self._forget_jobs,
            self.publisher.publish_lag,
            self.removal.tidy,
        )

        # What jobs do.
        collection = replace(collection, embedding=patient)
        self._sharing = DistributedIngest(
            self.job_table,
            PartTable(self.database, worker),
            leases,
            self.resolver,
            self.resolver.within(self.ingest_roots.of(confined=True)),
        )
        sharing = self._sharing if self.database.is_shared else None
        self._intake = IngestService(
            collection, features, ingest_settings_of(settings), sharing, self.files.large_video
        )
        self._matching = MatchingTraining(
            data, self.images, features, embedders, self._mirror, attempts
        )
        dropouts = Unembeddable(self.images, self.current, self.index.segments)
        missing = Reembedding(
            self.images, self.files, dropouts, partial(self._intake.take, present_only=True)
        )
        builder = IndexBuilder(collection, features, self.index)
        pipeline = BuildPipeline(collection, builder, self._matching, missing)
        shadow = ShadowRun(collection, features, self.index.spaces, self.judgements, missing)
        self.learning = Learning(
            self.current,
            self.images,
            self.index.networks,
            self.job_table,
            is_on=settings.learn_after > 0,
        )
        compaction = Compaction(self.index, self.current, self.publisher)
        self.migration = EngineMigration(self.index, self.current, self.publisher, settings.engine)
        sources = SourceReader(self.ingest_roots, self.resolver)
        syncing = SyncJob(collection, self.origins, self._intake, pipeline)
        handlers: dict[JobKind, Work] = {
            JobKind.INGEST: IngestJob(collection, sources, self._intake, pipeline, syncing).run,
            JobKind.BUILD: BuildJob(collection, pipeline).run,
            JobKind.TRAIN: TrainJob(collection, pipeline).run,
            JobKind.IMPORT: ImportJob(collection, self.vectors, self.ingest_roots, pipeline).run,
            JobKind.REEMBED: ReembedJob(collection, pipeline, shadow).run,
            JobKind.LEARN: LearnJob(collection, pipeline, self.learning).run,
            JobKind.COMPACT: compaction.run,
            JobKind.MIGRATE: self.migration.run,
            JobKind.LABEL: LabelJob(collection).run,
            JobKind.ACCEPT_LABELS: AcceptLabelsJob(collection, self.index).run,
            JobKind.FACTS: FactsJob(collection, self.files).run,
            JobKind.UNDO: UndoJob(self.editor).run,
            JobKind.DUPLICATES: DuplicatesJob(collection, self.index, self.files).run,
            JobKind.FRAMES: FramesJob(collection, self.files, settings.video_frames).run,
            JobKind.TEXT: TextJob(collection, self.files, reader_of(settings)).run,
        }
        self.jobs = JobRunner(
            self.job_table,
            handlers,
            self.publisher.catch_up,
            self._between_jobs,
            leases,
            self._when_idle,
        )
        self._reading = ReadingUpkeep(
            self.images.database,
            self.job_table,
            is_on=settings.ocr is OcrMode.AUTO and is_installed(),
        )
        self._framing = FramesUpkeep(self.current, self.job_table, settings.video_frames > 0)
        self._upkeep = Upkeep(
            compaction,
            self.jobs,
            self.job_table,
            self.learning,
            settings.learn_after,
            collection.labels,
        )
        self.side_by_side = ThreadPoolExecutor(_SIDE_BY_SIDE, "side-by-side")
        self.is_started = False

    def start(self) -> None:
        is_alone = self._presence.is_first
        if is_alone:
            # No job is running yet, so temporary files are those of a killed process.
            for name in ("features", "networks"):
                durable.remove_temporaries(self.settings.data_dir / name)
            self.files.tidy()
            self.deletions.tidy()
            self._matching.start()
        self.publisher.start(is_alone)
        self.removal.start(is_alone)
        self._presence.admit()
        self.current.tell(self._changed)
        if self._mirror is not None:
            self._mirror.start()
        self.jobs.start()
        self._upkeep.start()
        self._housekeeping.start()
        self.is_started = True

    def interrupt(self) -> None:
        """End running work at its next step; it resumes at the next start or on other workers."""
        self._sharing.interrupt()
        self.jobs.interrupt()

    def stop(self) -> None:
        self.interrupt()
        self._upkeep.stop()
        # First, as the housekeeping may be removing files itself.
        self.removal.stop()
        self._housekeeping.stop()
        self.jobs.stop(self.settings.shutdown_seconds)
        if self._mirror is not None:
            self._mirror.stop()
        self.side_by_side.shutdown(cancel_futures=True)
        self._presence.end()
        self.files.close()
        self.database.close()
        self._embedders.close()
        self._engines.close()
        self._lock.release()

    def _is_there(self, image_id: str) -> bool:
        return bool(RemovedFiles(self.database).are_there([image_id]))

    def _between_jobs(self) -> bool:
        self.deletions.finish_left()
        return self._intake.help()

    def _forget_jobs(self) -> None:
        before = datetime.now(UTC) - timedelta(days=self.settings.job_days)
        self.job_table.forget_before(before.isoformat())

    def _when_idle(self) -> None:
        if self._framing.is_due(self.jobs.was_preempted(JobKind.FRAMES)):
            self.jobs.submit(JobKind.FRAMES, {})
        elif (request := self._reading.due(self.jobs.was_preempted(JobKind.TEXT))) is not None:
            self.jobs.submit(JobKind.TEXT, request)

    def _changed(self) -> None:
        self._upkeep.consider()
        self.jobs.wake()
        if self._mirror is not None:
            self._mirror.consider()

    def _indexed(self) -> str | None:
        visual = self.current.manifest().visual
        return None if visual is None else visual.fingerprint

    @property
    def warning(self) -> str | None:
        """The first warning of any part, or None."""
        return None if self._mirror is None else self._mirror.warning

    def not_ready(self) -> str | None:
        """Return why the indexer can't serve, or None."""
        stopped = "The thread that runs jobs has stopped; restart the indexer."
        return None if self.jobs.alive else stopped


def container(request: Request) -> Container:
    """Dependency of the routes: the indexer's components."""
    found: Container = request.app.state.parts
    return found
