"""Collection: its catalogue, its models and its published index."""

from dataclasses import dataclass
from typing import Self

from services.indexer.catalog.frames import Frames
from services.indexer.catalog.images import Images
from services.indexer.catalog.locks import PublishLock
from services.indexer.catalog.texts import Texts
from services.indexer.catalog.vectors import VectorTable
from services.indexer.embedding.client import Embedding
from services.indexer.embedding.compatibility import Compatibility
from services.indexer.embedding.external_guard import ExternalGuard
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.deletions import Deletions
from services.indexer.publishing.first_segment import FirstSegment
from services.indexer.publishing.frames import FrameFiles
from services.indexer.publishing.incremental import IncrementalSegments
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.labels import Labels
from services.indexer.publishing.pending import EmbedderPatience
from services.indexer.publishing.publisher import Publisher
from services.indexer.publishing.settling import PictureGate
from services.indexer.publishing.texts import TextFiles
from services.indexer.storage.feature_store import FeatureStore
from services.indexer.storage.file_removal import FileRemoval
from services.indexer.storage.image_files import ImageFiles


@dataclass(frozen=True)
class Collection:
    """Collaborators of whatever adds to a collection, or builds its index anew."""

    images: Images
    embedding: Embedding
    external: ExternalGuard
    current: CurrentSnapshot
    compatibility: Compatibility
    deletions: Deletions
    publisher: Publisher
    labels: Labels
    gate: PictureGate
    removal: FileRemoval

    @classmethod
    def of(
        cls,
        index: IndexFiles,
        images: Images,
        features: FeatureStore,
        files: ImageFiles,
        embedding: Embedding,
    ) -> Self:
        """Put together the parts that publish; they share one lock and one current snapshot."""
        lock = PublishLock(images.database)
        current = CurrentSnapshot(index, lock.is_shared)
        compatibility = Compatibility(embedding, current.manifest, current.live)
        removal = FileRemoval(files, images.database)
        deletions = Deletions(index, current, images, removal, lock)
        patience = EmbedderPatience()
        additions = IncrementalSegments(
            index, images, features, embedding, deletions.settled, patience
        )
        first = FirstSegment(index, images, features)
        labels = Labels(index, images, features, embedding, current, deletions.settled)
        texts = TextFiles(index, Texts(images.database), current, deletions.settled)
        frames = FrameFiles(index, Frames(images.database), embedding, current, deletions.settled)
        publisher = Publisher(
            index,
            current,
            lock,
            additions,
            first,
            compatibility,
            deletions,
            labels,
            texts,
            frames,
        )
        external = ExternalGuard(VectorTable(images.database), embedding)
        return cls(
            images,
            embedding,
            external,
            current,
            compatibility,
            deletions,
            publisher,
            labels,
            PictureGate(),
            removal,
        )
