"""Re-embedding job: goes over to the model of another embedder."""

from collections.abc import Mapping
from typing import Any

from services.indexer.jobs.context import JobContext
from services.indexer.jobs.optional_steps import OptionalStep, attempt
from services.indexer.publishing.collection import Collection
from services.indexer.workflows.build_pipeline import BuildPipeline
from services.indexer.workflows.shadow_run import ShadowRun
from shared.contracts.indexer import ReembedRequest
from shared.core.errors import Conflict


class ReembedJob:
    """Runs a re-embedding, from its request to its result."""

    def __init__(self, collection: Collection, pipeline: BuildPipeline, shadow: ShadowRun) -> None:
        self._external = collection.external
        self._embedding = collection.embedding
        self._pipeline = pipeline
        self._shadow = shadow

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Go over to the other model, while that of the index goes on serving.

        `dry_run` of the request: embed a sample, and tell what to expect.
        """
        asked = ReembedRequest.model_validate(request)
        if external := self._external.fingerprint:
            raise Conflict(
                f"The collection holds vectors of {external}, which no embedder here can "
                "compute again."
            )
        pair = self._embedding.other_pair(asked.embedder, asked.profile)
        before = attempt(job, OptionalStep.RECEIPT, lambda: self._shadow.expect(pair, job), None)
        if asked.dry_run:
            return {"receipt": before and before.receipt.model_dump(mode="json")}
        built = self._pipeline.build(pair, asked.build, job) | {"model": pair.visual}
        if before is None:
            return built
        receipt = attempt(
            job, OptionalStep.RECEIPT, lambda: self._shadow.complete(before, job), before.receipt
        )
        return built | {"receipt": receipt.model_dump(mode="json")}
