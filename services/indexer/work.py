"""What each kind of job does, from its request to its result."""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.indexer.builder import Builder
from services.indexer.catalog.images import Images
from services.indexer.catalog.origins import Origins
from services.indexer.clustering import cluster_count
from services.indexer.dropouts import Dropouts
from services.indexer.embedding import Embedding, ModelPair
from services.indexer.features import FeatureStore
from services.indexer.files import ImageFiles
from services.indexer.ingest import Ingest, IngestResult, IngestSettings, Record
from services.indexer.job_context import JobContext
from services.indexer.jobs import Work
from services.indexer.matching import Matching
from services.indexer.publisher import Publisher
from services.indexer.sources import Source, SourceFile, nothing_in, read_source
from services.indexer.sync import Sync
from shared.contracts.embedder import TrainingReport
from shared.contracts.indexer import BuildSettings, IngestRequest, JobKind, TrainMatchingRequest
from shared.errors import InvalidInput, ISEError
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
        ingest: IngestSettings,
        ingest_roots: list[Path] | None,
    ) -> None:
        self._images = images
        self._origins = origins
        self._features = features
        self._files = files
        self._embedding = embedding
        self._publisher = publisher
        self._dropouts = Dropouts(images, publisher)
        self._builder = builder
        self._matching = matching
        self._ingest_settings = ingest
        self._ingest_roots = ingest_roots

    def kinds(self) -> dict[JobKind, Work]:
        return {JobKind.INGEST: self.ingest, JobKind.BUILD: self.build, JobKind.TRAIN: self.train}

    def ingest(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Takes in a source; then builds, or publishes what's new on the present clusters."""
        asked = IngestRequest.model_validate(request)
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
            self._files,
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
            self._publisher.publish_pending("caught up")
        except (ISEError, OSError) as error:
            log.warning("what's recorded can't be published yet: %s", error)

    def build(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Embeds what the present model has no features of, then clusters everything."""
        pair = self._embedding.pair()
        return self._build(pair, BuildSettings.model_validate(request), job)

    def train(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Trains the matching network, projects every image with it and publishes."""
        asked = TrainMatchingRequest.model_validate(request)
        pair = self._embedding.pair()
        self._publisher.check_visual(pair)
        self._embed_missing(pair, job)
        if self._publisher.is_empty():
            self._publisher.publish_first(pair.visual, "images embedded")
        # Otherwise what's pending comes with the new network: the old one may no longer fit.
        network, report = self._matching.train(pair.matching, asked.settings, job)
        manifest = self._builder.rebuild_joint(pair, network, BuildSettings(), job)
        return {"snapshot": manifest.number, "network": network, "report": report.model_dump()}

    def _build(self, pair: ModelPair, settings: BuildSettings, job: JobContext) -> dict[str, Any]:
        dropped = self._embed_missing(pair, job, settings.drop_missing)
        network, report, reason = self._network(pair, job)
        manifest = self._builder.build(pair, settings, network, job)
        return {
            "snapshot": manifest.number,
            "images": manifest.images,
            "dropped": dropped,
            "clusters": manifest.visual.clusters if manifest.visual else 0,
            "network": network,
            "report": report and report.model_dump(),
            "not_trained": reason,
            "untrained_tags": self._untrained_tags(network),
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
        current = self._publisher.network()
        if current is not None and self._embedding.has_network(current):
            return current, None, None
        if not self._matching.has_tags(pair.matching):
            return None, None, None
        try:
            trained = self._matching.train(pair.matching, TrainMatchingRequest().settings, job)
        except InvalidInput as error:
            return None, None, error.detail
        return *trained, None

    def _embed_missing(self, pair: ModelPair, job: JobContext, drop_missing: bool = False) -> int:
        """Embeds the images that the present models have no features of, from their files.

        Gives how many drop out of search, whose files can't be used. Raises Conflict where some
        would and `drop_missing` isn't set.
        """
        missing = {i for f in sorted(pair.all) for i in self._images.without_features(f)}
        if not missing:
            return 0
        files, gone = [], set()
        for image_id in sorted(missing):
            places = self._images.places(image_id)
            upload = self._files.upload(image_id)
            paths = [(upload or Path(place.path), place.uri) for place in places]
            there = [(path, uri) for path, uri in paths if path.exists()]
            files += [SourceFile(path, uri) for path, uri in (there or paths)[:1]]
            if not there:
                gone.add(image_id)
        if not drop_missing:
            # What is sure by now is told before the work rather than after it.
            self._dropouts.refuse(self._dropouts.ids(pair) & gone)
        self._take_in(files, pair, job)
        dropped = self._dropouts.ids(pair)
        if not drop_missing:
            self._dropouts.refuse(dropped)
        return len(dropped)

    def _take_in(
        self,
        files: list[SourceFile],
        pair: ModelPair,
        job: JobContext,
        source: str = "",
        record: Record | None = None,
    ) -> IngestResult:
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
