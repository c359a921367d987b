"""Re-embedding job: goes over to the model of another embedder."""

from collections.abc import Mapping
from typing import Any

from services.indexer.jobs.context import JobContext
from services.indexer.publishing.collection import Collection
from services.indexer.workflows.build_pipeline import BuildPipeline
from shared.contracts.indexer import ReembedRequest
from shared.core.errors import Conflict


class ReembedJob:
    """Runs a re-embedding, from its request to its result."""

    def __init__(self, collection: Collection, pipeline: BuildPipeline) -> None:
        self._external = collection.external
        self._embedding = collection.embedding
        self._pipeline = pipeline

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Go over to the other model, while that of the index goes on serving."""
        asked = ReembedRequest.model_validate(request)
        if external := self._external.fingerprint:
            raise Conflict(
                f"The collection holds vectors of {external}, which no embedder here can "
                "compute again."
            )
        pair = self._embedding.other_pair(asked.embedder, asked.profile)
        return self._pipeline.build(pair, asked.build, job) | {"model": pair.visual}
