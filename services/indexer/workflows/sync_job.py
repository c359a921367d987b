"""Follows a source: what came, changed, moved and went there does so here."""

from typing import Any

from services.indexer.catalog.source_claims import Origins
from services.indexer.ingest.result import IngestResult
from services.indexer.ingest.service import IngestService
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import (
    BUILD,
    COMPARING,
    EMBEDDING,
    FOLLOWING,
    JOINT,
    PUBLISHING,
    TRAINING,
)
from services.indexer.publishing.collection import Collection
from services.indexer.sources.source import Source, nothing_in
from services.indexer.sync.runner import Sync
from services.indexer.workflows.build_pipeline import BuildPipeline
from shared.contracts.indexer import BuildSettings, IngestRequest


class SyncJob:
    """Clusters only where there was nothing, else adds to what there is."""

    def __init__(
        self,
        collection: Collection,
        origins: Origins,
        intake: IngestService,
        pipeline: BuildPipeline,
    ) -> None:
        self._collection = collection
        self._origins = origins
        self._intake = intake
        self._pipeline = pipeline

    def run(self, source: Source, asked: IngestRequest, job: JobContext) -> dict[str, Any]:
        """Plans, follows and publishes; with `dry_run` only the plan."""
        job.stage(COMPARING)
        sync = Sync(
            source,
            self._collection,
            self._origins,
            job,
            self._intake.settings,
            asked.force,
            asked.force_in,
        )
        plan = sync.look()
        if not source and not plan.before:
            raise nothing_in(source)
        if asked.dry_run:
            return {"plan": sync.shown(plan).model_dump(mode="json")} | source.told()
        if not asked.force:
            sync.check(plan)
        is_first = self._collection.current.is_empty()
        # Moves and deletions need no embedder.
        pair = self._collection.embedding.pair(bulk=True) if plan.embed or is_first else None
        if pair is not None:
            self._collection.compatibility.check_model(pair)
        builds = pair is not None and is_first and asked.build
        after = [TRAINING, *BUILD, *JOINT] if builds else []
        job.expect([FOLLOWING, EMBEDDING, *after, PUBLISHING], len(source))
        job.stage(FOLLOWING)
        failed = job.failed
        settled = len(source) - len(plan.embed) - failed
        job.count(settled + failed)
        sync.follow(plan)
        job.advance(settled, skipped=True)
        result: dict[str, Any] = {action.value: n for action, n in plan.counts().items()}
        taken = IngestResult()
        if pair is not None:
            taken = self._intake.take(
                plan.embed, pair, job, source.name, follows=True, confined=asked.confined
            )
        result |= {
            "files": len(source),
            "embedded": taken.embedded,
            "unchanged": sync.unchanged,
            "dismissed": sync.dismissed,
            "failed": failed + taken.failed,
            "file_notes": taken.file_notes,
        } | source.told()
        if held := sync.held_back(plan):
            result["held_back"] = [one.model_dump() for one in held]
        if pair is not None and is_first and asked.build and self._collection.images.count():
            settings = BuildSettings(clusters=asked.clusters)
            return result | self._pipeline.build_or_publish(pair, settings, job, "sync")
        if pair is not None:
            return result | self._pipeline.publish(pair, job, "sync")
        job.stage(PUBLISHING)
        manifest = self._collection.publisher.publish_pending("sync", may_lag=True)
        return result | self._pipeline.told(manifest)
