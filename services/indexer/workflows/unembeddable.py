"""Images that can be found now and could not be after a build with the embedder's models."""

import numpy as np

from services.indexer.catalog.images import Images
from services.indexer.embedding.client import ModelPair
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.segments.store import SegmentStore
from shared.core.errors import Conflict
from shared.engines.ivf.reader import Postings


class Unembeddable:
    """Compares what the current snapshot holds with the features that the catalogue knows of."""

    def __init__(self, images: Images, current: CurrentSnapshot, segments: SegmentStore) -> None:
        self._images = images
        self._current = current
        self._segments = segments

    def ids(self, pair: ModelPair) -> set[str]:
        """Ids of the images in the snapshot that lack the features of these models."""
        lacking: set[int] = set()
        # Others may publish so much meanwhile that files of it would be removed.
        with self._current.holding() as current, self._images.view() as view:
            for space, fingerprint in (
                (current.visual, pair.visual),
                (current.joint, pair.matching),
            ):
                having = view.features(fingerprint).ordinals
                for file in space.postings if space else ():
                    held = Postings(self._segments.intact(file)).ordinals
                    lacking.update(np.setdiff1d(held, having).tolist())
        return self._images.ids(sorted(lacking))

    def refuse(self, ids: set[str]) -> None:
        """Raises Conflict where there are any; it says how many, names one, and the ways out."""
        if not ids:
            return
        example = min(ids)
        uri = next((place.uri for place in self._images.places(example)), example)
        raise Conflict(
            f"{_images(len(ids))} would be lost from search, such as {uri}: they must "
            "be re-embedded with the new model, but their files are missing, changed "
            "or unreadable. Restore the files or the former model, or continue "
            "without these images: `ise build --drop-missing`."
        )


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
