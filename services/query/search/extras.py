"""Parts of a snapshot that a search goes without where they are missing or damaged."""

import logging

from services.query.search.key_frames import KeyFrames
from services.query.search.segment_cache import SegmentCache
from services.query.search.space import Space
from shared.core.errors import Corrupt
from shared.snapshots.frames import FrameVectors, read_frames
from shared.snapshots.image_labels import ImageLabels
from shared.snapshots.image_texts import ImageTexts
from shared.snapshots.labels import LabelsFile, read_head
from shared.snapshots.manifest import (
    FramesManifest,
    LabelsManifest,
    SpaceManifest,
    TextsManifest,
)
from shared.snapshots.texts import TextsFile

log = logging.getLogger(__name__)


def frames_of(
    manifest: FramesManifest | None,
    space: SpaceManifest,
    cache: SegmentCache,
    former: Space | None,
) -> KeyFrames | None:
    """Open the key frames of a space; None where there are none. former: that of the snapshot
    before.
    """
    if manifest is None:
        return None
    names = tuple(file.name for file in manifest.files)
    if former is not None and former.frames is not None and former.frames.names == names:
        return former.frames
    try:
        joined = FrameVectors.joined([cache.open(file, read_frames) for file in manifest.files])
        if len(joined) and joined.vectors.shape[1] != space.dim:
            raise Corrupt(f"{names[0]}: its frames are not of the space that they belong to.")
    except Corrupt as error:
        # They are an extra: nobody should miss the search for them.
        log.error("videos are found by their posters alone: %s", error)
        return None
    return KeyFrames(joined, names) if len(joined) else None


def labels_of(manifest: LabelsManifest | None, cache: SegmentCache) -> ImageLabels:
    """Open the labels of images."""
    if manifest is None:
        return ImageLabels(None, [])
    try:
        files = [cache.open(file, LabelsFile) for file in manifest.files]
        return ImageLabels(cache.open(manifest.head, read_head), files, manifest.fingerprint)
    except Corrupt as error:
        # They are an extra: nobody should miss the search for them.
        log.error("labels are not shown, `ise label --compute` computes them anew: %s", error)
        return ImageLabels(None, [])


def texts_of(manifest: TextsManifest | None, cache: SegmentCache) -> ImageTexts:
    """Open the texts of images."""
    if manifest is None:
        return ImageTexts([])
    try:
        return ImageTexts([cache.open(file, TextsFile) for file in manifest.files])
    except Corrupt as error:
        # They are an extra: nobody should miss the search for them.
        log.error("text in pictures isn't found, the next publication mends it: %s", error)
        return ImageTexts([])
