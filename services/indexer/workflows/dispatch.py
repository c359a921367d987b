"""Dispatch of jobs: each kind, from its request to its result."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

from services.indexer.catalog.images import Images
from services.indexer.catalog.source_claims import Origins
from services.indexer.clustering.streaming import cluster_count
from services.indexer.embedding.client import Embedding
from services.indexer.embedding.external_guard import ExternalGuard
from services.indexer.ingest.distributed import DistributedIngest
from services.indexer.ingest.pipeline import IngestSettings
from services.indexer.ingest.service import IngestService
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.runner import Work
from services.indexer.jobs.stage_plan import BUILD, EMBEDDING, JOINT, PUBLISHING, READING, TRAINING
from services.indexer.publishing.publisher import Publisher
from services.indexer.sources.allowlist import Roots
from services.indexer.sources.resolver import Reach
from services.indexer.sources.source import Reading, nothing_in, read_source
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.storage.image_files import ImageFiles
from services.indexer.transfer.vector_intake import Vectors
from services.indexer.workflows.build_job import BuildJob
from services.indexer.workflows.import_job import ImportJob
from services.indexer.workflows.index_builder import IndexBuilder
from services.indexer.workflows.learning import Learning
from services.indexer.workflows.matching_training import MatchingTraining
from services.indexer.workflows.reembedding import Reembedding
from services.indexer.workflows.sync_job import SyncJob
from services.indexer.workflows.unembeddable import Unembeddable
from shared.contracts.indexer import (
    BuildSettings,
    IngestRequest,
    ReembedRequest,
    TrainMatchingRequest,
)
from shared.contracts.jobs import JobKind
from shared.contracts.learning import LearningTask
from shared.core.errors import Conflict, ISEError

log = logging.getLogger(__name__)


class JobDispatcher:
    """The parts that jobs are made of."""

    def __init__(
        self,
        images: Images,
        embedding: Embedding,
        publisher: Publisher,
        external: ExternalGuard,
        intake: IngestService,
        building: BuildJob,
        syncing: SyncJob,
        importing: ImportJob,
        roots: Roots,
        reach: Reach,
        learning: Learning | None = None,
    ) -> None:
        self._images = images
        self._embedding = embedding
        self._publisher = publisher
        self._external = external
        self._intake = intake
        self._building = building
        self._syncing = syncing
        self._importing = importing
        self._roots = roots
        self._reach = reach
        self._learning = learning

    @classmethod
    def of(
        cls,
        *,
        images: Images,
        origins: Origins,
        features: FeatureStore,
        files: ImageFiles,
        embedding: Embedding,
        publisher: Publisher,
        matching: MatchingTraining,
        vectors: Vectors,
        external: ExternalGuard,
        ingest: IngestSettings,
        roots: Roots,
        reach: Reach,
        learning: Learning | None = None,
        sharing: DistributedIngest | None = None,
    ) -> Self:
        """Puts together what jobs need.

        roots: where a source may be. learning: tells what is due; None: nothing is learnt.
        """
        intake = IngestService(images, features, embedding, publisher, ingest, sharing)
        missing = Reembedding(images, files, Unembeddable(images, publisher), intake.take)
        builder = IndexBuilder(images, features, embedding, publisher)
        building = BuildJob(embedding, publisher, builder, matching, missing)
        syncing = SyncJob(images, origins, embedding, publisher, intake, building)
        importing = ImportJob(images, vectors, embedding, publisher, building, roots)
        return cls(
            images,
            embedding,
            publisher,
            external,
            intake,
            building,
            syncing,
            importing,
            roots,
            reach,
            learning,
        )

    def kinds(self) -> dict[JobKind, Work]:
        return {
            JobKind.INGEST: self.ingest,
            JobKind.BUILD: self.build,
            JobKind.TRAIN: self.train,
            JobKind.IMPORT: self._importing.run,
            JobKind.REEMBED: self.reembed,
            JobKind.LEARN: self.learn,
        }

    def ingest(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Takes in a source; then builds, or publishes what's new on the present clusters."""
        asked = IngestRequest.model_validate(request)
        self._external.refuse_pictures()
        job.stage(READING)
        roots = self._roots.of(asked.confined)
        reading = Reading(asked.exclude, asked.follow_links, job.check_cancelled)
        source = read_source(asked.source, asked.tags_from, roots, self._reach, reading)
        if asked.sync:
            return self._syncing.run(source, asked, job)
        if not source:
            raise nothing_in(source)
        pair = self._embedding.pair(bulk=True)
        if asked.build:
            # Told before the work rather than after it.
            cluster_count(asked.clusters, len(source) + self._images.count())
        else:
            self._publisher.fit.check_model(pair)
        if asked.build:
            job.expect(
                [EMBEDDING, TRAINING, *BUILD, *JOINT, PUBLISHING],
                len(source) + self._images.count(),
            )
        else:
            job.expect([EMBEDDING, PUBLISHING], len(source))
        taken = self._intake.take(source, pair, job, source.name)
        result: dict[str, Any] = asdict(taken) | source.told()
        if asked.build:
            settings = BuildSettings(clusters=asked.clusters)
            return result | self._building.build_or_publish(pair, settings, job, "ingest")
        job.stage(PUBLISHING)
        manifest = self._publisher.publish_first(pair.visual, "ingest", may_lag=True)
        return result | self._building.told(manifest)

    def help(self) -> bool:
        """Does a part of another worker's job; False where there is none."""
        return self._intake.help()

    def settle(self) -> None:
        """Publishes what the catalogue has and the snapshot lacks, after a broken-off job or end.

        Where that can't be, the next publication brings it.
        """
        try:
            self._publisher.tidy()
            self._publisher.publish_pending("caught up")
        except (ISEError, OSError) as error:
            log.warning("recorded changes can't be published yet: %s", error)

    def build(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Embeds what the present model has no features of, then clusters everything."""
        settings = BuildSettings.model_validate(request)
        if external := self._external.fingerprint:
            return self._building.build_alone(external, settings, job)
        return self._building.build(self._embedding.pair(bulk=True), settings, job)

    def reembed(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Goes over to the model of another embedder, while that of the index goes on serving."""
        asked = ReembedRequest.model_validate(request)
        if external := self._external.fingerprint:
            raise Conflict(
                f"The collection holds vectors of {external}, which no embedder here can "
                "compute again."
            )
        pair = self._embedding.other_pair(asked.embedder)
        return self._building.build(pair, asked.build, job) | {"model": pair.visual}

    def learn(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Learns in the background what is due: new tags, clusters for what came since."""
        if self._learning is None:
            return {"learnt": []}
        tasks = self._learning.due()
        result: dict[str, Any] = {"learnt": [task.value for task in tasks]}
        if external := self._external.fingerprint:
            if LearningTask.CLUSTERING in tasks:
                settings = self._learning.build_settings()
                result |= self._building.build_alone(external, settings, job)
            return result
        if not tasks:
            return result
        pair = self._embedding.pair()
        self._publisher.fit.check_visual(pair)
        if LearningTask.TRAINING in tasks and pair.joint is None:
            asked = TrainMatchingRequest(settings=self._learning.training_settings())
            result |= self._building.train(pair, asked, job)
        if LearningTask.CLUSTERING in tasks:
            result |= self._building.build(pair, self._learning.build_settings(), job)
        joint = self._publisher.current().joint
        network = joint.fingerprint if joint else None
        return result | {"untrained_tags": self._building.untrained_tags(network)}

    def train(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Trains the matching network, projects every image with it and publishes."""
        asked = TrainMatchingRequest.model_validate(request)
        if external := self._external.fingerprint:
            raise Conflict(
                f"The collection holds vectors of {external}. The matching network can "
                "only be trained on pictures that the embedder processed."
            )
        pair = self._embedding.pair(bulk=True)
        if pair.joint is not None:
            raise Conflict(
                f"The embedder's joint space, {pair.joint}, comes from a jointly trained "
                "model (ISE_MATCHING), so no training is needed. `ise build` puts it to "
                "use."
            )
        self._publisher.fit.check_visual(pair)
        return self._building.train(pair, asked, job)
