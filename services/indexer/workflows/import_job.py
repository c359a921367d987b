"""Takes in vectors from files, and builds with them."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from services.indexer.clustering.streaming import cluster_count
from services.indexer.embedding.client import ModelPair
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import PUBLISHING
from services.indexer.publishing.collection import Collection
from services.indexer.sources.allowlist import Roots
from services.indexer.transfer.importer import Import, VectorSource, open_source
from services.indexer.transfer.vector_intake import Vectors
from services.indexer.workflows.build_pipeline import BuildPipeline
from shared.contracts.features import ImportRequest
from shared.contracts.indexer import BuildSettings
from shared.core.errors import Overloaded, Unavailable
from shared.models.external import is_external

_REASON = "vectors imported"


class ImportJob:
    """An import, from its request to its snapshot. roots: where files may be."""

    def __init__(
        self,
        collection: Collection,
        vectors: Vectors,
        roots: Roots,
        pipeline: BuildPipeline,
    ) -> None:
        self._collection = collection
        self._vectors = vectors
        self._roots = roots
        self._pipeline = pipeline

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """Takes in vectors from files; then builds, or publishes them on the present clusters."""
        asked = ImportRequest.model_validate(request)
        with ExitStack() as held:
            source = open_source(asked, self._roots.of(confined=False), held)
            self._collection.compatibility.check_vectors(source.fingerprint, source.npy.dim)
            was_empty = self._collection.current.is_empty()
            if asked.build and asked.clusters is not None:
                # Fail before the work instead of after it.
                cluster_count(asked.clusters, source.npy.rows + self._collection.images.count())
            result = asdict(Import(self._vectors, job).run(source))
        if asked.build:
            settings = _settings_of(asked, source, was_empty)
            pair = self._pair_of(source.fingerprint)
            if pair is None:
                return result | self._pipeline.build_alone_or_publish(
                    source.fingerprint, settings, job, _REASON
                )
            return result | self._pipeline.build_or_publish(pair, settings, job, _REASON)
        job.stage(PUBLISHING)
        manifest = self._collection.publisher.publish_first(source.fingerprint, _REASON)
        return result | {"snapshot": manifest.number, "images": manifest.images}

    def _pair_of(self, fingerprint: str) -> ModelPair | None:
        """The embedder's models, where these vectors are of one."""
        if is_external(fingerprint):
            return None
        try:
            hosted = self._collection.embedding.pair()
        except (Overloaded, Unavailable):
            return None
        return hosted if hosted.visual == fingerprint else None


def _settings_of(asked: ImportRequest, source: VectorSource, was_empty: bool) -> BuildSettings:
    """How to build after an import: as it was exported, where nothing else was there."""
    clusters, info = asked.clusters, source.exported
    if info is None or not was_empty:
        return BuildSettings(clusters=clusters or "auto")
    return BuildSettings(clusters=clusters or info.clusters, metric=info.metric, seed=info.seed)
