"""Build pipeline: embeds what lacks features, trains the matching network, clusters everything."""

from collections.abc import Callable
from typing import Any

from services.indexer.embedding.client import ModelPair
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.optional_steps import OptionalStep, attempt
from services.indexer.jobs.stage_plan import BUILD, JOINT, PUBLISHING, TRAINING
from services.indexer.publishing.collection import Collection
from services.indexer.workflows.index_builder import IndexBuilder
from services.indexer.workflows.late_images import LateImages
from services.indexer.workflows.matching_training import MatchingTraining
from services.indexer.workflows.reembedding import Reembedding
from services.indexer.workflows.same_model import check_same_model
from shared.contracts.embedder import TrainingReport
from shared.contracts.indexer import BuildSettings, TrainMatchingRequest
from shared.core.errors import Conflict, InvalidInput
from shared.snapshots.manifest import Manifest

_FAILS_THE_JOB = (InvalidInput, Conflict)
"""Errors of a build that somebody has to act on."""
_EMBED_ANEW = "`ise build` embeds this job's pictures by the present model, so that they are found."
_PATIENCE_S = 600.0
"""How long a build waits for an embedder that trains for somebody else; the pictures wait too."""


class BuildPipeline:
    """Builds and trainings, each to its published snapshot; gives what a job's result tells."""

    def __init__(
        self,
        collection: Collection,
        builder: IndexBuilder,
        matching: MatchingTraining,
        missing: Reembedding,
    ) -> None:
        self._embedding = collection.embedding
        self._current = collection.current
        self._publisher = collection.publisher
        self._gate = collection.gate
        self._builder = builder
        self._matching = matching
        self._missing = missing

    def build(self, pair: ModelPair, settings: BuildSettings, job: JobContext) -> dict[str, Any]:
        """Embeds what these models have no features of, then clusters everything."""
        given_up = self._missing.embed(pair, job, settings.drop_missing)
        job.expect([TRAINING, *BUILD, *JOINT, PUBLISHING], self._builder.pictures())
        network, report, is_unknown = self._network(pair, job)
        # Images added meanwhile may have features of the former model only, which is still in use.
        manifest = self._builder.build(
            pair,
            settings,
            network,
            job,
            LateImages(self._missing, self._gate, pair, job, given_up.ids),
            keep_joint=is_unknown,
        )
        return _built(manifest) | {
            "dropped": given_up.dropped,
            "network": network,
            "report": report and report.model_dump(),
            "not_trained": _reason(job, OptionalStep.TRAINING),
            "untrained_tags": self.untrained_tags(network),
        }

    def build_or_publish(
        self, pair: ModelPair, settings: BuildSettings, job: JobContext, reason: str
    ) -> dict[str, Any]:
        """Builds; where that fails, publishes the pictures on the present clusters, or as one list.

        Raises what somebody has to act on, such as a model that other pictures lack features of.
        """
        return self._or_publish(pair.visual, lambda: self.build(pair, settings, job), job, reason)

    def build_alone_or_publish(
        self, fingerprint: str, settings: BuildSettings, job: JobContext, reason: str
    ) -> dict[str, Any]:
        """Does as `build_or_publish`, of vectors that the embedder knows nothing of."""
        return self._or_publish(
            fingerprint, lambda: self.build_alone(fingerprint, settings, job), job, reason
        )

    def _or_publish(
        self, fingerprint: str, build: Callable[[], dict[str, Any]], job: JobContext, reason: str
    ) -> dict[str, Any]:
        current = self._current.manifest().visual
        if current is not None and current.fingerprint != fingerprint:
            # Without a build no answer would contain these pictures.
            return build()
        built = attempt(job, OptionalStep.CLUSTERING, build, None, but=_FAILS_THE_JOB)
        if built is not None:
            return built
        job.stage(PUBLISHING)
        manifest = self._publisher.publish_first(fingerprint, reason, may_lag=True)
        return self.told(manifest) | {
            "clusters": manifest.visual.clusters if manifest.visual else 0,
            "network": manifest.joint.fingerprint if manifest.joint else None,
        }

    def build_alone(
        self, fingerprint: str, settings: BuildSettings, job: JobContext
    ) -> dict[str, Any]:
        """Clusters vectors that the embedder knows nothing of."""
        pair = ModelPair(fingerprint, fingerprint)
        return _built(self._builder.build(pair, settings, None, job)) | {
            "network": None,
            "not_trained": f"The embedder doesn't host {fingerprint}, so no words are matched.",
        }

    def train(
        self, pair: ModelPair, asked: TrainMatchingRequest, job: JobContext
    ) -> dict[str, Any]:
        """Trains the matching network and projects every image with it."""
        self._missing.embed(pair, job)
        if self._current.is_empty():
            self._publisher.publish_first(pair.visual, "images embedded")
        job.expect([TRAINING, *JOINT, PUBLISHING], self._builder.pictures())
        # Otherwise what's pending comes with the new network: the old one may no longer fit.
        network, report = self._matching.train(
            pair.matching,
            asked.settings,
            job,
            asked.hold_out,
            has_labels=pair.labels is not None,
        )
        manifest = self._builder.rebuild_joint(pair, network, BuildSettings(), job)
        return {"snapshot": manifest.number, "network": network, "report": report.model_dump()}

    def publish(self, pair: ModelPair, job: JobContext, reason: str) -> dict[str, Any]:
        """Publishes pictures that have features of these models, without a build.

        Raises Conflict where the collection was rolled back to another model meanwhile.
        """
        job.stage(PUBLISHING)
        manifest = self._publisher.publish_first(pair.visual, reason, may_lag=True)
        if manifest.visual is not None:
            check_same_model(manifest, pair, _EMBED_ANEW)
        return self.told(manifest)

    def told(self, manifest: Manifest) -> dict[str, Any]:
        """Return a job's result for a snapshot that it published without a build."""
        return {
            "snapshot": manifest.number,
            "images": manifest.images,
            "untrained_tags": self.untrained_tags(
                manifest.joint.fingerprint if manifest.joint else None
            ),
        }

    def untrained_tags(self, network: str | None) -> int | None:
        """How many tags a network was trained without; None where there is no network."""
        return None if network is None else self._matching.untrained_tags(network)

    def _network(
        self, pair: ModelPair, job: JobContext
    ) -> tuple[str | None, TrainingReport | None, bool]:
        """The network in use where it fits the models, else a new one where there are tags.

        Also tells whether it's unknown if the one in use fits, as where the embedder is away.
        """
        if pair.joint is not None:
            return pair.joint, None, False
        current = self._current.network()
        if current is not None:
            network = current
            fits = attempt(
                job,
                OptionalStep.TRAINING,
                lambda: self._embedding.has_network(network, pair.matching),
                None,
            )
            if fits is None:
                return None, None, True
            if fits and not self._is_outdated(network, pair, job):
                return current, None, False
            current = current if fits else None
        found = attempt(job, OptionalStep.TRAINING, lambda: self._trained(pair, job), None)
        return *(found or (current, None)), False

    def _is_outdated(self, network: str, pair: ModelPair, job: JobContext) -> bool:
        return attempt(
            job,
            OptionalStep.TRAINING,
            lambda: self._matching.is_outdated(network, pair.labels),
            False,
        )

    def _trained(self, pair: ModelPair, job: JobContext) -> tuple[str, TrainingReport] | None:
        """A new network, or None where no image has a tag and the model no labels."""
        has_labels = pair.labels is not None
        if not has_labels and not self._matching.has_tags(pair.matching):
            return None
        settings = TrainMatchingRequest().settings
        return self._matching.train(
            pair.matching, settings, job, patience_s=_PATIENCE_S, has_labels=has_labels
        )


def _reason(job: JobContext, step: OptionalStep) -> str | None:
    """The reason for which a job went on without a step; None where it didn't."""
    return next((one.reason for one in job.skipped if one.step == step), None)


def _built(manifest: Manifest) -> dict[str, Any]:
    return {
        "snapshot": manifest.number,
        "images": manifest.images,
        "clusters": manifest.visual.clusters if manifest.visual else 0,
    }
