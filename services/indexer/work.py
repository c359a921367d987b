"""What each kind of job does, from its request to its result."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.indexer.builder import Builder
from services.indexer.catalog.images import Images
from services.indexer.catalog.origins import Origins
from services.indexer.clustering import cluster_count
from services.indexer.dropouts import Dropouts
from services.indexer.embedding import Embedding, ModelPair
from services.indexer.external import External
from services.indexer.features import FeatureStore
from services.indexer.files import ImageFiles
from services.indexer.importing import Import, VectorSource, open_source
from services.indexer.ingest import Ingest, IngestResult, IngestSettings, Record
from services.indexer.job_context import JobContext
from services.indexer.jobs import Work
from services.indexer.matching import Matching
from services.indexer.missing import Missing
from services.indexer.publisher import Publisher
from services.indexer.sources import Source, SourceFile, nothing_in, read_source
from services.indexer.sync import Sync
from services.indexer.vectors import Vectors
from shared.contracts.embedder import TrainingReport
from shared.contracts.features import ImportRequest
from shared.contracts.indexer import (
    BuildSettings,
    IngestRequest,
    ReembedRequest,
    TrainMatchingRequest,
)
from shared.contracts.jobs import JobKind
from shared.errors import Conflict, InvalidInput, ISEError, Overloaded, Unavailable
from shared.external import is_external
from shared.snapshots.manifest import Manifest

log = logging.getLogger(__name__)


class Workshop:
    """The parts that jobs are made of."""

    def __init__(
        self,
        images: Images,
        origins: Origins,
        features: FeatureStore,
        files: ImageFiles,
        embedding: Embedding,
        publisher: Publisher,
        builder: Builder,
        matching: Matching,
        vectors: Vectors,
        external: External,
        ingest: IngestSettings,
        ingest_roots: list[Path] | None,
    ) -> None:
        self._images = images
        self._origins = origins
        self._features = features
        self._files = files
        self._embedding = embedding
        self._publisher = publisher
        self._missing = Missing(images, files, Dropouts(images, publisher), self._take_in)
        self._builder = builder
        self._matching = matching
        self._vectors = vectors
        self._external = external
        self._ingest_settings = ingest
        self._ingest_roots = ingest_roots

    def kinds(self) -> dict[JobKind, Work]:
        return {
            JobKind.INGEST: self.ingest,
            JobKind.BUILD: self.build,
            JobKind.TRAIN: self.train,
            JobKind.IMPORT: self.import_,
            JobKind.REEMBED: self.reembed,
        }

    def ingest(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Takes in a source; then builds, or publishes what's new on the present clusters."""
        asked = IngestRequest.model_validate(request)
        self._external.refuse_pictures()
        job.stage("reading the source")
        source = Path(asked.source)
        files = read_source(source, asked.tags_from, self._ingest_roots)
        if asked.sync:
            return self._sync(source, files, asked, job)
        if not files:
            raise nothing_in(source)
        pair = self._embedding.pair()
        if asked.build:
            # Told before the work rather than after it.
            cluster_count(asked.clusters, len(files) + self._images.count())
        else:
            self._publisher.check_model(pair)
        taken = self._take_in(files, pair, job, str(source))
        result: dict[str, Any] = asdict(taken) | {"skipped": files.skipped}
        if asked.build:
            return result | self._build(pair, BuildSettings(clusters=asked.clusters), job)
        job.stage("publishing")
        return result | self._published(self._publisher.publish_first(pair.visual, "ingest"))

    def _sync(
        self, source: Path, files: Source, asked: IngestRequest, job: JobContext
    ) -> dict[str, Any]:
        """Follows a source; clusters only where there was nothing, else adds to what there is."""
        job.stage("comparing")
        sync = Sync(
            source,
            self._images,
            self._origins,
            self._publisher,
            job,
            self._ingest_settings.max_image_bytes,
        )
        plan = sync.look(files)
        if not files and not plan.before:
            raise nothing_in(source)
        if asked.dry_run:
            return {"plan": sync.shown(plan).model_dump(mode="json")}
        if not asked.force:
            sync.check(plan)
        is_first = self._publisher.is_empty()
        # What only moved or went needs no embedder.
        pair = self._embedding.pair() if plan.embed or is_first else None
        if pair is not None:
            self._publisher.check_model(pair)
        job.stage("following the source")
        failed = job.failed
        settled = len(files) - len(plan.embed) - failed
        job.count(settled + failed)
        sync.follow(plan)
        job.advance(settled, skipped=True)
        result: dict[str, Any] = {action.value: n for action, n in plan.counts().items()}
        taken = IngestResult()
        if pair is not None:
            taken = self._take_in(plan.embed, pair, job, str(source), sync.record)
        result |= {
            "files": len(files),
            "embedded": taken.embedded,
            "unchanged": sync.unchanged,
            "dismissed": sync.dismissed,
            "failed": failed + taken.failed,
            "skipped": files.skipped,
        }
        if pair is not None and is_first and asked.build and self._images.count():
            return result | self._build(pair, BuildSettings(clusters=asked.clusters), job)
        job.stage("publishing")
        publisher = self._publisher
        return result | self._published(
            publisher.publish_pending("sync")
            if pair is None
            else publisher.publish_first(pair.visual, "sync")
        )

    def _published(self, manifest: Manifest) -> dict[str, Any]:
        return {
            "snapshot": manifest.number,
            "images": manifest.images,
            "untrained_tags": self._untrained_tags(
                manifest.joint.fingerprint if manifest.joint else None
            ),
        }

    def settle(self) -> None:
        """Publishes what the catalogue has and the snapshot lacks, after a broken-off job or end.

        Where that can't be, the next publication brings it.
        """
        try:
            self._publisher.tidy()
            self._publisher.publish_pending("caught up")
        except (ISEError, OSError) as error:
            log.warning("what's recorded can't be published yet: %s", error)

    def build(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Embeds what the present model has no features of, then clusters everything."""
        settings = BuildSettings.model_validate(request)
        if external := self._external.fingerprint:
            return self._build_alone(external, settings, job)
        return self._build(self._embedding.pair(), settings, job)

    def reembed(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Goes over to the model of another embedder, while that of the index goes on serving."""
        asked = ReembedRequest.model_validate(request)
        if external := self._external.fingerprint:
            raise Conflict(
                f"The collection holds vectors of {external}, which no embedder here makes anew."
            )
        pair = self._embedding.other_pair(asked.embedder)
        return self._build(pair, asked.build, job) | {"model": pair.visual}

    def import_(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Takes in vectors from files; then builds, or publishes them on the present clusters."""
        asked = ImportRequest.model_validate(request)
        with ExitStack() as held:
            source = open_source(asked, self._ingest_roots, held)
            self._publisher.check_vectors(source.fingerprint, source.npy.dim)
            was_empty = self._publisher.is_empty()
            if asked.build and asked.clusters is not None:
                # Told before the work rather than after it.
                cluster_count(asked.clusters, source.npy.rows + self._images.count())
            result = asdict(Import(self._vectors, job).run(source))
        if asked.build:
            settings = _settings_of(asked, source, was_empty)
            pair = self._pair_of(source.fingerprint)
            if pair is None:
                return result | self._build_alone(source.fingerprint, settings, job)
            return result | self._build(pair, settings, job)
        job.stage("publishing")
        manifest = self._publisher.publish_first(source.fingerprint, "vectors imported")
        return result | {"snapshot": manifest.number, "images": manifest.images}

    def _pair_of(self, fingerprint: str) -> ModelPair | None:
        """The embedder's models, where these vectors are of one."""
        if is_external(fingerprint):
            return None
        try:
            hosted = self._embedding.pair()
        except (Overloaded, Unavailable):
            return None
        return hosted if hosted.visual == fingerprint else None

    def train(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Trains the matching network, projects every image with it and publishes."""
        asked = TrainMatchingRequest.model_validate(request)
        if external := self._external.fingerprint:
            raise Conflict(
                f"The collection holds vectors of {external}. The matching network learns from "
                "pictures that the embedder has seen."
            )
        pair = self._embedding.pair()
        if pair.joint is not None:
            raise Conflict(
                f"The embedder's joint space, {pair.joint}, is of towers that were trained "
                "together (ISE_MATCHING), so nothing is to be trained. `ise build` takes it into "
                "use."
            )
        self._publisher.check_visual(pair)
        self._missing.embed(pair, job)
        if self._publisher.is_empty():
            self._publisher.publish_first(pair.visual, "images embedded")
        # Otherwise what's pending comes with the new network: the old one may no longer fit.
        network, report = self._matching.train(pair.matching, asked.settings, job, asked.hold_out)
        manifest = self._builder.rebuild_joint(pair, network, BuildSettings(), job)
        return {"snapshot": manifest.number, "network": network, "report": report.model_dump()}

    def _build(self, pair: ModelPair, settings: BuildSettings, job: JobContext) -> dict[str, Any]:
        dropped = self._missing.embed(pair, job, settings.drop_missing)
        given_up = self._missing.ids(pair)
        network, report, reason = self._network(pair, job)
        # What was added meanwhile may have features of another model only, which is in use still.
        manifest = self._builder.build(
            pair,
            settings,
            network,
            job,
            lambda: self._missing.embed_late(pair, job, given_up),
        )
        return _built(manifest) | {
            "dropped": dropped,
            "network": network,
            "report": report and report.model_dump(),
            "not_trained": reason,
            "untrained_tags": self._untrained_tags(network),
        }

    def _build_alone(
        self, fingerprint: str, settings: BuildSettings, job: JobContext
    ) -> dict[str, Any]:
        """Clusters vectors that the embedder knows nothing of."""
        pair = ModelPair(fingerprint, fingerprint)
        return _built(self._builder.build(pair, settings, None, job)) | {
            "network": None,
            "not_trained": f"The embedder doesn't host {fingerprint}, so no words are matched.",
        }

    def _untrained_tags(self, network: str | None) -> int | None:
        return None if network is None else self._matching.untrained_tags(network)

    def _network(
        self, pair: ModelPair, job: JobContext
    ) -> tuple[str | None, TrainingReport | None, str | None]:
        """The network in use where it fits the models, else a new one where there are tags.

        Tags that nothing can be learnt from are no reason to fail a build: then there is no
        network, and the sentence that says why.
        """
        if pair.joint is not None:
            return pair.joint, None, None
        current = self._publisher.network()
        if current is not None and self._embedding.has_network(current, pair.matching):
            return current, None, None
        if not self._matching.has_tags(pair.matching):
            return None, None, None
        try:
            trained = self._matching.train(pair.matching, TrainMatchingRequest().settings, job)
        except InvalidInput as error:
            return None, None, error.detail
        return *trained, None

    def _take_in(
        self,
        files: list[SourceFile],
        pair: ModelPair,
        job: JobContext,
        source: str = "",
        record: Record | None = None,
    ) -> IngestResult:
        self._publisher.check_drift(pair)
        run = Ingest(
            self._images,
            self._features,
            self._embedding,
            pair,
            job,
            self._ingest_settings,
            source,
            record,
        )
        return run.run(files)


def _settings_of(asked: ImportRequest, source: VectorSource, was_empty: bool) -> BuildSettings:
    """How to build after an import: as it was exported, where nothing else was there."""
    clusters, info = asked.clusters, source.exported
    if info is None or not was_empty:
        return BuildSettings(clusters=clusters or "auto")
    return BuildSettings(clusters=clusters or info.clusters, metric=info.metric, seed=info.seed)


def _built(manifest: Manifest) -> dict[str, Any]:
    return {
        "snapshot": manifest.number,
        "images": manifest.images,
        "clusters": manifest.visual.clusters if manifest.visual else 0,
    }
