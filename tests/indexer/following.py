"""A collection that follows folders, all of it real but the embedder.

Its features are three numbers of a file's bytes; so a file need not be a picture, and much can be
tried in little time.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from services.indexer.catalog.database import Database
from services.indexer.catalog.images import Images
from services.indexer.catalog.source_claims import Origins
from services.indexer.catalog.vectors import VectorTable
from services.indexer.embedding.canaries import Canaries
from services.indexer.embedding.client import Embedded, Embedding, ModelPair
from services.indexer.embedding.external_guard import ExternalGuard
from services.indexer.ingest.pipeline import IngestSettings
from services.indexer.ingest.uploads import Uploads
from services.indexer.jobs.context import JobContext
from services.indexer.publishing.publisher import Publisher
from services.indexer.sources.allowlist import Roots
from services.indexer.sources.resolver import Reach
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.storage.image_files import ImageFiles
from services.indexer.transfer.vector_intake import Vectors
from services.indexer.workflows.dispatch import JobDispatcher
from services.indexer.workflows.matching_training import MatchingTraining
from shared.clients.transport import Client
from shared.models import canary


class Numbers(Embedding):
    """Makes features of any bytes; `embedded` counts the files."""

    embedded = 0

    def pair(self, bulk: bool = False) -> ModelPair:
        return ModelPair("m", "m")

    def images(self, files, pair, bulk=False) -> list[Embedded]:
        # The built-in picture, which says whether the model is the same, is nobody's.
        self.embedded += sum(data != canary.picture() for data in files)
        digests = [np.frombuffer(sha256(data).digest()[:3], np.uint8) for data in files]
        return [Embedded({"m": digest.astype(np.float32) + 1}) for digest in digests]


class Collection:
    """A collection of its own, that follows folders."""

    def __init__(self, data: Path, reach: Reach | None = None, url: str = "") -> None:
        reach = reach or Reach()
        self.database = Database(url or f"sqlite:///{data / 'catalog.sqlite'}")
        self.images, self.origins = Images(self.database), Origins(self.database)
        self.features, self.files = FeatureStore(data), ImageFiles(data, 32, 1000, reach)
        features = self.features
        embedder = Client("http://127.0.0.1:9")
        self.embedding = embedding = Numbers(embedder, Canaries(features, self.database), 1)
        self.publisher = Publisher(data, self.images, features, self.files, embedding)
        self.publisher.start()
        table = VectorTable(self.database)
        self.external = ExternalGuard(table, embedding)
        self.workshop = JobDispatcher.of(
            images=self.images,
            origins=self.origins,
            features=features,
            files=self.files,
            embedding=embedding,
            publisher=self.publisher,
            matching=MatchingTraining(data, self.images, features, embedder),
            vectors=Vectors(table, features),
            external=self.external,
            ingest=IngestSettings(),
            roots=Roots((), anywhere=True),
            reach=reach,
        )

    def ingest(self, source: Path | str, **options: Any) -> dict[str, Any]:
        reasons: dict[str, str] = {}
        job = JobContext(lambda *_: None, reasons.__setitem__, threading.Event())
        request = {"source": str(source), "build": False, **options}
        return self.workshop.ingest(request, job) | {"reasons": reasons}

    def sync(self, source: Path | str, **options: Any) -> dict[str, Any]:
        return self.ingest(source, **{"sync": True, "force": True, **options})

    def delete(self, image_id: str) -> None:
        """As the API does."""
        with self.publisher.deletions.burying() as bury:
            self.origins.delete(image_id, bury)

    def upload(self, name: str, data: bytes) -> None:
        additions = Uploads(
            self.images,
            self.features,
            self.files,
            self.embedding,
            self.publisher,
            self.external,
            16,
        )
        additions.add([(name, data)], [], {})

    def all(self) -> dict[str, tuple[list[str], list[str]]]:
        """Uris and tags of every image that can be searched."""
        with self.images.view() as view:
            return {item.id: (item.uris, item.tags) for item in view.items("m")}

    def read(self, image_id: str) -> bytes:
        """An image's own bytes, from where they are."""
        return self.files.file(image_id, self.images.places(image_id)[0]).read(1000)

    def check(self) -> None:
        """The snapshot has what the catalogue has, and the deleted are gone from both."""
        deleted = set(self.publisher.tombstones.read().tolist())
        assert deleted.isdisjoint(self.images.all_ordinals())
        current = self.publisher.current()
        live = self.publisher.segments.live(current, self.publisher.tombstones.read())
        assert live == self.images.count() == len(self.all())


@contextmanager
def collection(at: Path, reach: Reach | None = None) -> Iterator[Collection]:
    at.mkdir()
    found = Collection(at, reach)
    yield found
    found.database.close()
