"""Ingest job: takes in a source, or follows it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from services.indexer.clustering.streaming import cluster_count
from services.indexer.ingest.service import IngestService
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import BUILD, EMBEDDING, JOINT, PUBLISHING, READING, TRAINING
from services.indexer.publishing.collection import Collection
from services.indexer.sources.reader import SourceReader
from services.indexer.sources.source import Source, nothing_in
from services.indexer.workflows.build_pipeline import BuildPipeline
from services.indexer.workflows.sync_job import SyncJob
from shared.contracts.indexer import BuildSettings, IngestRequest


class IngestJob:
    """Runs an ingest, from its request to its result."""

    def __init__(
        self,
        collection: Collection,
        sources: SourceReader,
        intake: IngestService,
        pipeline: BuildPipeline,
        syncing: SyncJob,
    ) -> None:
        self._collection = collection
        self._sources = sources
        self._intake = intake
        self._pipeline = pipeline
        self._syncing = syncing

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Take in a source; then build, or publish what's new on the present clusters."""
        asked = IngestRequest.model_validate(request)
        self._collection.external.refuse_pictures()
        job.stage(READING)
        source = self._sources.read(asked, job.check_cancelled)
        if asked.sync:
            return self._syncing.run(source, asked, job)
        return self._take_in(source, asked, job)

    def _take_in(self, source: Source, asked: IngestRequest, job: JobContext) -> dict[str, Any]:
        if not source:
            raise nothing_in(source)
        pair = self._collection.embedding.pair(bulk=True)
        if asked.build:
            # Fail before the work instead of after it.
            every = len(source) + self._collection.images.count()
            cluster_count(asked.clusters, every)
            job.expect([EMBEDDING, TRAINING, *BUILD, *JOINT, PUBLISHING], every)
        else:
            self._collection.compatibility.check_model(pair)
            job.expect([EMBEDDING, PUBLISHING], len(source))
        taken = self._intake.take(source, pair, job, source.name, confined=asked.confined)
        result: dict[str, Any] = asdict(taken) | source.told()
        if asked.build:
            settings = BuildSettings(clusters=asked.clusters)
            return result | self._pipeline.build_or_publish(pair, settings, job, "ingest")
        return result | self._pipeline.publish(pair, job, "ingest")
