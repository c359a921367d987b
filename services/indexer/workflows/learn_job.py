"""Learning job: trainings and builds in the background, when they are due."""

from collections.abc import Mapping
from typing import Any

from services.indexer.jobs.context import JobContext
from services.indexer.publishing.collection import Collection
from services.indexer.workflows.build_pipeline import BuildPipeline
from services.indexer.workflows.learning import Learning
from shared.contracts.indexer import TrainMatchingRequest
from shared.contracts.learning import LearningTask


class LearnJob:
    """Runs what is due, to its result."""

    def __init__(self, collection: Collection, pipeline: BuildPipeline, learning: Learning) -> None:
        self._collection = collection
        self._pipeline = pipeline
        self._learning = learning

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Learn new tags, and cluster anew for what came since."""
        tasks = self._learning.due()
        result: dict[str, Any] = {"learnt": [task.value for task in tasks]}
        if external := self._collection.external.fingerprint:
            if LearningTask.CLUSTERING in tasks:
                settings = self._learning.build_settings()
                result |= self._pipeline.build_alone(external, settings, job)
            return result
        if not tasks:
            return result
        pair = self._collection.embedding.pair()
        self._collection.compatibility.check_visual(pair)
        if LearningTask.TRAINING in tasks and pair.joint is None:
            asked = TrainMatchingRequest(settings=self._learning.training_settings())
            result |= self._pipeline.train(pair, asked, job)
        if LearningTask.CLUSTERING in tasks:
            result |= self._pipeline.build(pair, self._learning.build_settings(), job)
        joint = self._collection.current.manifest().joint
        network = joint.fingerprint if joint else None
        untrained = self._pipeline.untrained_tags(network)
        if network is None:
            # Nothing could be trained, for example with pretrained towers: don't try again for
            # these tags.
            untrained = self._learning.status().tags
        return result | {"untrained_tags": untrained}
