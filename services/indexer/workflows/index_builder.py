"""Builds the inverted indexes anew: sample, K-means, assignment, posting lists, measured recall."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.clustering import transforms
from services.indexer.clustering.streaming import Blocks
from services.indexer.embedding.client import ModelPair
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.optional_steps import OptionalStep, attempt
from services.indexer.jobs.stage_plan import (
    BUILD,
    CALIBRATING,
    CALIBRATING_JOINT,
    CLUSTERING,
    CLUSTERING_JOINT,
    COUNTING,
    JOINT,
    PROJECTING,
    PUBLISHING,
    RECALL,
    RECALL_JOINT,
    TRANSFORM,
)
from services.indexer.measuring.calibration import calibrate, calibrate_terms
from services.indexer.measuring.counting import learnt_counts
from services.indexer.measuring.tag_trust import calibrate_carriers
from services.indexer.publishing.collection import Collection
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.retention import BUILD_REASON, TRAIN_REASON
from services.indexer.publishing.settling import Settling
from services.indexer.publishing.tag_vectors import joint_tag_vectors
from services.indexer.segments.engine import NewSpace
from services.indexer.segments.local_space import BlockVectors, with_progress
from services.indexer.segments.scratch_vectors import kept_on_disk
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.workflows.class_queries import class_vectors
from services.indexer.workflows.former_joint import with_former_joint
from services.indexer.workflows.labelling import labelled
from services.indexer.workflows.same_model import check_same_model
from shared.contracts.calibration import Calibration
from shared.contracts.indexer import BuildSettings
from shared.contracts.query import Metric
from shared.contracts.stats import RecallCurve
from shared.models.external import is_external
from shared.snapshots.items import tag_key
from shared.snapshots.manifest import Manifest, SpaceManifest
from shared.snapshots.transform import Transform, transformed

_JOINT_BLOCK = 8192
_TRAIN_ANEW = "`ise train-matching` trains a matching network for the present model."


class IndexBuilder:
    """Makes first segments, which have centroids of their own, and publishes them."""

    def __init__(self, collection: Collection, features: FeatureStore, index: IndexFiles) -> None:
        self._images = collection.images
        self._embedding = collection.embedding
        self._current = collection.current
        self._publisher = collection.publisher
        self._labels = collection.labels
        self._features = features
        self._segments = index.segments
        self._spaces = index.spaces

    def pictures(self) -> int:
        """Return the number of images of the catalogue."""
        return self._images.count()

    def build(
        self,
        pair: ModelPair,
        settings: BuildSettings,
        network: str | None,
        job: JobContext,
        settling: Settling | None = None,
        keep_joint: bool = False,
    ) -> Manifest:
        """Clusters every image with features of `pair` and publishes the snapshot.

        `network`: the matching network to make the joint space with, or None. `keep_joint`: where
        there is none, the present joint space stays. `settling`: what embeds images that were added
        meanwhile. Raises InvalidInput when more clusters than images are asked for.
        """
        with self._images.view() as view:
            where = view.features(pair.visual)
            items = [self._segments.items(view.each_item(pair.visual), True)] if len(where) else []
            revision = view.revision
        if not len(where):
            return self._publisher.publish(
                lambda current: current.model_copy(update={"reason": BUILD_REASON})
            )
        joint_stages = JOINT if network is not None else ()
        job.expect([*BUILD, *joint_stages, PUBLISHING], len(where))
        transform = self._transform(pair.visual, where, settings, job)
        visual = self._space(
            NewSpace(
                "visual",
                CLUSTERING,
                pair.visual,
                where,
                lambda rows: transformed(self._features.blocks(pair.visual, rows), transform),
                items,
            ),
            settings,
            job,
        )
        if transform is not None:
            kept = self._segments.transform(transform)
            visual = visual.model_copy(update={"transform": kept})
        base = Manifest(
            number=0,
            created_at="",
            reason=BUILD_REASON,
            revision=revision,
            images=len(where),
            items=items,
            visual=visual,
        )
        joint = None
        if network is not None:
            name = network
            joint = attempt(
                job,
                OptionalStep.JOINT_SPACE,
                lambda: self._with_joint(base, visual, pair, name, settings, job),
                None,
            )
        with self._current.holding() as current:
            if joint is not None:
                base = joint
            elif network is not None or keep_joint:
                base = with_former_joint(base, current, pair, network)
            # Those that are there; the next step takes them only where they fit.
            base = base.model_copy(update={"labels": current.labels})
            made = labelled(self._labels, base, job)
            job.stage(PUBLISHING)
            return self._publisher.publish(lambda _: made, may_lag=True, settling=settling)

    def rebuild_joint(
        self, pair: ModelPair, network: str, settings: BuildSettings, job: JobContext
    ) -> Manifest:
        """Projects every image with a new network and publishes beside the present clusters.

        Raises Conflict where the collection was rolled back to another model meanwhile.
        """
        with self._current.holding() as base:
            if base.visual is None:
                raise RuntimeError("there is no index to put a joint space beside")
            check_same_model(base, pair, _TRAIN_ANEW)
            job.expect([*JOINT, PUBLISHING], base.images)
            with_joint = self._with_joint(base, base.visual, pair, network, settings, job)
        job.stage(PUBLISHING)

        def latest(current: Manifest) -> Manifest:
            check_same_model(current, pair, _TRAIN_ANEW)
            # The visual space may have had additions meanwhile; only the joint space is replaced.
            return current.model_copy(
                update={
                    "reason": TRAIN_REASON,
                    "revision": min(base.revision, current.revision),
                    "joint": with_joint.joint,
                    "matching_fingerprint": with_joint.matching_fingerprint,
                    "tag_vectors": with_joint.tag_vectors,
                    "tags_revision": None,
                }
            )

        return self._publisher.publish(latest)

    def _with_joint(
        self,
        base: Manifest,
        visual: SpaceManifest,
        pair: ModelPair,
        network: str,
        settings: BuildSettings,
        job: JobContext,
    ) -> Manifest:
        matching = pair.matching
        with self._images.view() as view:
            # An image outside the visual space has no record, so no answer may contain it.
            where = view.features(matching, beside=visual.fingerprint)
            tags = view.tags_by_ordinal()
        if not len(where):
            return base
        # A tag's vector is searched by cosine, so the joint space is clustered for cosine.
        cosine = settings.model_copy(update={"metric": Metric.COSINE, "clusters": "auto"})
        projected = with_progress(
            self._projected(matching, network, where), PROJECTING, len(where), job
        )
        with kept_on_disk(self._segments.folder, where, projected) as blocks:
            new = NewSpace("joint", CLUSTERING_JOINT, network, where, blocks, base.items)
            joint = self._space(new, cosine, job)
        carriers: dict[str, list[int]] = {}
        for ordinal, keys in tags.items():
            for key in keys:
                carriers.setdefault(tag_key(key), []).append(ordinal)
        vectors = (
            joint_tag_vectors(self._spaces, joint, carriers, self._embedding, matching)
            if carriers
            else {}
        )
        # Fitted during the training, on held-out images.
        calibration = self._current.calibration_of(network)
        queries = list(vectors.values())
        if not queries and pair.labels is not None:
            # Words are searched there, so its recall is measured by words.
            queries = attempt(
                job,
                OptionalStep.RECALL,
                lambda: class_vectors(self._embedding, matching, network),
                [],
            )
        if queries:
            job.stage(RECALL_JOINT)
            curves = self._measured(joint, "joint", settings.seed, np.stack(queries), job)
            joint = joint.model_copy(update={"recall": curves})
            if vectors and network == pair.joint:
                # Nothing was trained: every image and every term is new to the towers.
                job.stage(CALIBRATING_JOINT)
                index = self._spaces.index(joint)
                fitted: list[Calibration] = attempt(
                    job,
                    OptionalStep.CALIBRATION,
                    lambda: calibrate_terms(
                        index, vectors, carriers, curves, settings.seed, job.report_progress
                    ),
                    [],
                )
                calibration = [
                    one.model_copy(update={"untrained": untrained})
                    for untrained in (False, True)
                    for one in fitted
                ]
        joint = joint.model_copy(update={"calibration": calibration})
        return base.model_copy(
            update={
                "joint": joint,
                "matching_fingerprint": matching,
                "tag_vectors": [self._segments.tag_vectors(vectors)] if vectors else [],
            }
        )

    def _projected(self, matching: str, network: str, where: FeatureRows) -> Blocks:
        for start, block in self._features.blocks(matching, where):
            yield start, self._embedding.project(block, matching, network, _JOINT_BLOCK)

    def _transform(
        self, fingerprint: str, where: FeatureRows, settings: BuildSettings, job: JobContext
    ) -> Transform | None:
        features = BlockVectors(where, lambda rows: self._features.blocks(fingerprint, rows), job)
        dim = features[np.zeros(1, np.int64)].shape[1]
        name = transforms.chosen(settings.transform, fingerprint, len(where), dim)
        if name == "none":
            return None
        job.stage(TRANSFORM)
        if settings.transform != "auto":
            return transforms.learned(name, features, dim)
        return attempt(
            job,
            OptionalStep.TRANSFORM,
            lambda: transforms.learned(name, features, dim),
            None,
        )

    def _space(self, new: NewSpace, settings: BuildSettings, job: JobContext) -> SpaceManifest:
        job.stage(new.stage)
        space = self._spaces.chosen.build(new, settings, job)
        if new.name == "joint":
            return space
        job.stage(RECALL)
        curves = self._measured(space, new.name, settings.seed, None, job)
        reranks = not is_external(new.fingerprint)
        calibration: list[Calibration] = attempt(
            job,
            OptionalStep.CALIBRATION,
            lambda: self._calibrated(space, curves, settings.seed, reranks, job),
            [],
        )
        job.stage(COUNTING)
        counts: Mapping[str, object] = attempt(
            job,
            OptionalStep.COUNTING,
            lambda: learnt_counts(
                self._spaces.index(space),
                self._tags(),
                curves,
                settings.seed,
                reranks,
                job.report_progress,
            ),
            {},
        )
        return space.model_copy(update={"recall": curves, "calibration": calibration, **counts})

    def _measured(
        self,
        space: SpaceManifest,
        name: str,
        seed: int,
        queries: NDArray[np.float32] | None,
        job: JobContext,
    ) -> list[RecallCurve]:
        """The measured curves; empty where recall can't be measured."""
        return attempt(
            job,
            OptionalStep.RECALL,
            lambda: self._spaces.of(space).measure(space, name, seed, queries),
            [],
        )

    def _calibrated(
        self,
        space: SpaceManifest,
        curves: list[RecallCurve],
        seed: int,
        reranks: bool,
        job: JobContext,
    ) -> list[Calibration]:
        """How likely hits share a tag with the query, by score; empty without tags."""
        tags = self._tags()
        if not tags:
            return []
        job.stage(CALIBRATING)
        index = self._spaces.index(space)
        fitted = calibrate(index, tags, curves, seed, reranks, job.report_progress)
        return fitted + calibrate_carriers(index, tags, seed)

    def _tags(self) -> Mapping[int, list[str]]:
        with self._images.view() as view:
            return view.tags_by_ordinal()
