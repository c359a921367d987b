"""Takes files in: the one way from files to stored features, whatever job asks for it."""

from services.indexer.catalog.images import Images
from services.indexer.embedding import Embedding, ModelPair
from services.indexer.features import FeatureStore
from services.indexer.ingest import Ingest, IngestResult, IngestSettings, Record
from services.indexer.job_context import JobContext
from services.indexer.publisher import Publisher
from services.indexer.sources import SourceFile


class Intake:
    """Embeds files and records them, so far as they aren't there. It publishes nothing."""

    def __init__(
        self,
        images: Images,
        features: FeatureStore,
        embedding: Embedding,
        publisher: Publisher,
        settings: IngestSettings,
    ) -> None:
        self.settings = settings
        self._images = images
        self._features = features
        self._embedding = embedding
        self._publisher = publisher

    def take(
        self,
        files: list[SourceFile],
        pair: ModelPair,
        job: JobContext,
        source: str = "",
        record: Record | None = None,
    ) -> IngestResult:
        """`source`: where the files are from; `record`: what else is written with each.

        Raises ModelDrift.
        """
        self._publisher.check_drift(pair)
        run = Ingest(
            self._images,
            self._features,
            self._embedding,
            pair,
            job,
            self.settings,
            source,
            record,
        )
        return run.run(files)
