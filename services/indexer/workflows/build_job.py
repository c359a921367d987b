"""Build job: clusters every image anew, with the embedder's models."""

from collections.abc import Mapping
from typing import Any

from services.indexer.jobs.context import JobContext
from services.indexer.publishing.collection import Collection
from services.indexer.workflows.build_pipeline import BuildPipeline
from shared.contracts.indexer import BuildSettings


class BuildJob:
    """Runs a build, from its request to its result."""

    def __init__(self, collection: Collection, pipeline: BuildPipeline) -> None:
        self._external = collection.external
        self._embedding = collection.embedding
        self._pipeline = pipeline

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Embed what the present model has no features of, then cluster everything."""
        settings = BuildSettings.model_validate(request)
        if external := self._external.fingerprint:
            return self._pipeline.build_alone(external, settings, job)
        return self._pipeline.build(self._embedding.pair(bulk=True), settings, job)
