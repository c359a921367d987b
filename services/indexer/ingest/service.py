"""Ingests files: the one way from files to stored features, for every job."""

from collections.abc import Mapping, Sequence
from functools import partial

from services.indexer.catalog.entry import Entry
from services.indexer.catalog.feature_places import FeaturePlace
from services.indexer.embedding.client import ModelPair
from services.indexer.ingest.distributed import PART_FILES, DistributedIngest, Task
from services.indexer.ingest.file_reader import LargeVideos, no_large_video
from services.indexer.ingest.pipeline import Ingest, IngestSettings, IngestTools, Record
from services.indexer.ingest.result import IngestResult
from services.indexer.ingest.second_files import SecondFiles
from services.indexer.jobs.context import JobContext
from services.indexer.publishing.collection import Collection
from services.indexer.sources.source import SourceFile
from services.indexer.storage.feature_store import FeatureStore


class IngestService:
    """Embeds files and records them, so far as they aren't there. It publishes nothing."""

    def __init__(
        self,
        collection: Collection,
        features: FeatureStore,
        settings: IngestSettings,
        sharing: DistributedIngest | None = None,
        large_video: LargeVideos = no_large_video,
    ) -> None:
        """`sharing`: with other workers, where there may be some."""
        self._tools = IngestTools(
            collection.images, features, collection.embedding, settings, large_video
        )
        self._images = collection.images
        self._compatibility = collection.compatibility
        self._deletions = collection.deletions
        self._sharing = sharing

    @property
    def settings(self) -> IngestSettings:
        return self._tools.settings

    def take(
        self,
        files: Sequence[SourceFile],
        pair: ModelPair,
        job: JobContext,
        source: str = "",
        follows: bool = False,
        confined: bool = False,
        present_only: bool = False,
    ) -> IngestResult:
        """Ingest the files of `source`. Raises ModelDrift.

        `follows`: delete an image whose last path another one takes over. `confined`: other workers
        read in ISE_INGEST_ROOTS alone. `present_only`: note the features of images that
        are still there, and nothing else.
        """
        self._compatibility.check_drift(pair)
        undo = job.id or None
        record: Record | None = partial(self._record_burying, undo) if follows else None
        if present_only:
            record = self._images.record_features
        joining = SecondFiles(
            self._images,
            pair,
            self.settings,
            job,
            source,
            record or partial(self._images.record, undo=undo),
        )
        alone, seconds = joining.divided(files)

        def ingest(some: Sequence[SourceFile]) -> IngestResult:
            task = Task(some, pair.visual, pair.matching, source, follows, confined, present_only)
            if self._sharing is None or len(some) <= PART_FILES:
                return self._take(task, job)
            return self._sharing.run(task, job, self._take)

        result = ingest(alone)
        return joining.join(seconds, result, ingest) if seconds else result

    def help(self) -> bool:
        """Run a part of another worker's job; return False if there is none."""
        return self._sharing is not None and self._sharing.help(self._take)

    def _take(self, task: Task, job: JobContext) -> IngestResult:
        record: Record | None = None
        if task.follows:
            record = partial(self._record_burying, job.id or None)
        if task.present_only:
            record = self._images.record_features
        return Ingest(self._tools, task.pair, job, task.source, record).run(task.files)

    def _record_burying(
        self,
        undo: str | None,
        entries: Sequence[Entry],
        places: Mapping[str, Sequence[FeaturePlace]],
    ) -> list[str]:
        keeps = undo is not None and self._images.keeps_deleted
        with self._deletions.burying(keeps_files=keeps, by_sync=True, undo=undo) as bury:
            return self._images.record(entries, places, bury, undo)
