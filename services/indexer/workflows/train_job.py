"""Training job: trains the matching network and takes it into use."""

from collections.abc import Mapping
from typing import Any

from services.indexer.jobs.context import JobContext
from services.indexer.publishing.collection import Collection
from services.indexer.workflows.build_pipeline import BuildPipeline
from shared.contracts.indexer import TrainMatchingRequest
from shared.core.errors import Conflict


class TrainJob:
    """Runs a training, from its request to its result."""

    def __init__(self, collection: Collection, pipeline: BuildPipeline) -> None:
        self._external = collection.external
        self._embedding = collection.embedding
        self._compatibility = collection.compatibility
        self._pipeline = pipeline

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Train the matching network, project every image with it and publish."""
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
        self._compatibility.check_visual(pair)
        return self._pipeline.train(pair, asked, job)
