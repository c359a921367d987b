"""The parts of the indexer, put together once; routes find them in the app's state."""

from fastapi import Request

from services.indexer.additions import Additions
from services.indexer.catalog.database import Database
from services.indexer.catalog.images import Images
from services.indexer.catalog.jobs import JobTable
from services.indexer.catalog.origins import Origins
from services.indexer.catalog.vectors import VectorTable
from services.indexer.compaction import Compaction
from services.indexer.config import IndexerSettings
from services.indexer.embedders import Embedders
from services.indexer.embedding import Embedding
from services.indexer.export import Exporter
from services.indexer.external import External
from services.indexer.features import FeatureStore
from services.indexer.files import ImageFiles
from services.indexer.ingest import IngestSettings
from services.indexer.jobs import JobRunner
from services.indexer.lock import DirectoryLock
from services.indexer.matching import Matching
from services.indexer.publisher import Publisher
from services.indexer.upkeep import Upkeep
from services.indexer.vectors import Vectors
from services.indexer.work import Workshop
from shared import durable
from shared.contracts.jobs import JobKind


class Parts:
    """Everything that a running indexer is made of."""

    def __init__(self, settings: IndexerSettings, embedders: Embedders) -> None:
        data = settings.data_dir
        durable.make_dir(data)
        self._lock = DirectoryLock(data)
        self.settings = settings
        self.database = Database(settings.catalog_url)
        self.images = Images(self.database)
        self.origins = Origins(self.database)
        self.job_table = JobTable(self.database)
        self.files = ImageFiles(data, settings.thumbnail_pixels, settings.max_pixels)
        self._embedders = embedders
        embedding = Embedding(embedders, settings.embed_attempts, indexed=self._indexed)
        # Where somebody waits for the answer: it should come soon, or say that it doesn't.
        hasty = Embedding(embedders, min(2, settings.embed_attempts), indexed=self._indexed)
        features = FeatureStore(data)
        self.publisher = Publisher(data, self.images, features, self.files, hasty)
        table = VectorTable(self.database)
        self.vectors = Vectors(table, features)
        self.external = External(table, hasty)
        self.additions = Additions(
            self.images,
            features,
            self.files,
            hasty,
            self.publisher,
            self.external,
            settings.embed_batch,
        )
        self.exporter = Exporter(data, self.images, features, self.publisher)
        self._matching = Matching(data, self.images, features, embedders)
        roots = None if settings.on_loopback else settings.ingest_roots
        workshop = Workshop.of(
            images=self.images,
            origins=self.origins,
            features=features,
            files=self.files,
            embedding=embedding,
            publisher=self.publisher,
            matching=self._matching,
            vectors=self.vectors,
            external=self.external,
            ingest=IngestSettings(
                settings.embed_batch,
                settings.embed_concurrency,
                settings.max_image_bytes,
                min(IngestSettings.batch_bytes, settings.max_body_bytes),
            ),
            roots=roots,
        )
        self.ingest_roots = roots
        compaction = Compaction(self.publisher)
        kinds = workshop.kinds() | {JobKind.COMPACT: compaction.run}
        self.jobs = JobRunner(self.job_table, kinds, workshop.settle)
        self._upkeep = Upkeep(compaction, self.jobs, self.job_table)

    def start(self) -> None:
        # Nothing is being written yet: what's half-written is a killed process's.
        for name in ("features", "images", "networks"):
            durable.remove_temporaries(self.settings.data_dir / name)
        self._matching.start()
        self.publisher.start()
        self.publisher.tell(self._upkeep.consider)
        self.jobs.start()

    def stop(self) -> None:
        self.jobs.stop(self.settings.shutdown_seconds)
        self.database.close()
        self._embedders.close()
        self._lock.release()

    def _indexed(self) -> str | None:
        visual = self.publisher.current().visual
        return None if visual is None else visual.fingerprint

    def not_ready(self) -> str | None:
        """Why the indexer can't serve, or None."""
        return None if self.jobs.alive else "The thread that runs jobs has ended; restart me."


def parts(request: Request) -> Parts:
    """The dependency that gives routes their parts."""
    found: Parts = request.app.state.parts
    return found
