"""A collection that follows folders, all of it real but the embedder.

Its features are three numbers of a file's bytes; so a file need not be a picture, and much can be
tried in little time.
"""

import io
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from services.indexer.catalog.database import Database
from services.indexer.catalog.images import Images
from services.indexer.catalog.source_claims import Origins
from services.indexer.catalog.undoing import undo_some
from services.indexer.embedding.canaries import Canaries
from services.indexer.embedding.client import Embedding, ModelPair
from services.indexer.embedding.embedded import Embedded
from services.indexer.embedding.registry import Embedders
from services.indexer.ingest.pipeline import IngestSettings
from services.indexer.ingest.service import IngestService
from services.indexer.ingest.uploads import Upload, Uploads
from services.indexer.jobs.context import JobContext
from services.indexer.publishing.collection import Collection as Published
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.sources.allowlist import Roots
from services.indexer.sources.reader import SourceReader
from services.indexer.sources.resolver import Resolver
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.storage.image_files import ImageFiles
from services.indexer.workflows.build_pipeline import BuildPipeline
from services.indexer.workflows.index_builder import IndexBuilder
from services.indexer.workflows.ingest_job import IngestJob
from services.indexer.workflows.matching_training import MatchingTraining
from services.indexer.workflows.reembedding import Reembedding
from services.indexer.workflows.sync_job import SyncJob
from services.indexer.workflows.unembeddable import Unembeddable
from shared.clients.transport import Client
from shared.core.errors import NotFound
from shared.labels.head import LabelHead
from shared.models import canary


class Numbers(Embedding):
    """Makes features of any bytes; `embedded` counts the files."""

    embedded = 0

    def pair(self, bulk: bool = False) -> ModelPair:
        return ModelPair("m", "m")

    def decoding(self) -> str:
        return "d"

    def label_head(self, fingerprint: str) -> LabelHead:
        raise NotFound(f"The model {fingerprint} has no classifier.")

    def images(self, files, pair, bulk=False) -> list[Embedded]:
        # The built-in picture, which says whether the model is the same, is nobody's.
        self.embedded += sum(data != canary.picture() for data in files)
        digests = [np.frombuffer(sha256(data).digest()[:3], np.uint8) for data in files]
        return [Embedded({"m": digest.astype(np.float32) + 1}) for digest in digests]


class Collection:
    """A collection of its own, that follows folders."""

    def __init__(self, data: Path, reach: Resolver | None = None, url: str = "") -> None:
        reach = reach or Resolver()
        self.database = Database(url or f"sqlite:///{data / 'catalog.sqlite'}")
        self.images, self.origins = Images(self.database), Origins(self.database)
        self.features, self.files = FeatureStore(data), ImageFiles(data, 32, 1000, reach)
        features = self.features
        embedder = Embedders([Client("http://127.0.0.1:9")])
        self.embedding = embedding = Numbers(embedder, Canaries(features, self.database), 1)
        self.index = IndexFiles.at(data)
        published = Published.of(self.index, self.images, features, self.files, embedding)
        self.published = published
        self.current, self.publisher = published.current, published.publisher
        self.deletions = published.deletions
        self.publisher.start()
        self.intake = IngestService(published, features, IngestSettings())
        dropouts = Unembeddable(self.images, self.current, self.index.segments)
        missing = Reembedding(
            self.images, self.files, dropouts, partial(self.intake.take, present_only=True)
        )
        builder = IndexBuilder(published, features, self.index)
        matching = MatchingTraining(data, self.images, features, embedder)
        pipeline = BuildPipeline(published, builder, matching, missing)
        sources = SourceReader(Roots((), anywhere=True), reach)
        syncing = SyncJob(published, self.origins, self.intake, pipeline)
        self._ingest = IngestJob(published, sources, self.intake, pipeline, syncing)

    def ingest(self, source: Path | str, job_id: str = "", **options: Any) -> dict[str, Any]:
        reasons: dict[str, str] = {}
        job = JobContext(lambda *_: None, reasons.__setitem__, threading.Event(), job_id)
        request = {"source": str(source), "build": False, **options}
        return self._ingest.run(request, job) | {"reasons": reasons}

    def sync(self, source: Path | str, **options: Any) -> dict[str, Any]:
        return self.ingest(source, **{"sync": True, "force": True, **options})

    def undo(self, job_id: str) -> Counter[str]:
        """As the API does, with a trash."""
        done: Counter[str] = Counter()
        more = True
        while more:
            with self.deletions.burying(keeps_files=True) as bury:
                some, more = undo_some(self.database, job_id, bury, keeps=True)
            done += some
        self.publisher.publish_pending("undone")
        return done

    def delete(self, image_id: str) -> None:
        """As the API does."""
        with self.deletions.burying() as bury:
            self.origins.delete(image_id, bury)

    def upload(self, name: str, data: bytes) -> None:
        additions = Uploads(self.published, self.features, self.files, 16)
        additions.add([Upload(name, io.BytesIO(data), len(data))], [], {})

    def all(self) -> dict[str, tuple[list[str], list[str]]]:
        """Uris and tags of every image that can be searched."""
        with self.images.view() as view:
            return {item.id: (item.uris, item.tags) for item in view.items("m")}

    def read(self, image_id: str) -> bytes:
        """An image's own bytes, from where they are."""
        return self.files.file(image_id, self.images.places(image_id)[0]).read(1000)

    def check(self) -> None:
        """The snapshot has what the catalogue has, and the deleted are gone from both."""
        deleted = set(self.index.tombstones.read().tolist())
        assert deleted.isdisjoint(self.images.all_ordinals())
        current = self.current.manifest()
        live = self.index.segments.live(current, self.index.tombstones.read())
        assert live == self.images.count() == len(self.all())


@contextmanager
def collection(at: Path, reach: Resolver | None = None) -> Iterator[Collection]:
    at.mkdir()
    found = Collection(at, reach)
    yield found
    found.database.close()
