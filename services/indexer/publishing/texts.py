"""Texts of a snapshot's images, from those that the catalogue has.

They belong to no model, so a snapshot takes over those of the one before, whatever made it, and
adds what was read since.
"""

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.texts import Texts
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.index_files import IndexFiles
from shared.core.errors import Corrupt
from shared.snapshots.manifest import Manifest, SegmentFile, TextsManifest
from shared.snapshots.texts import ReadText, TextsFile

log = logging.getLogger(__name__)

_MOST_FILES = 6


class TextFiles:
    """Completes the texts of manifests. Several threads may prepare publications at once."""

    def __init__(
        self,
        index: IndexFiles,
        texts: Texts,
        current: CurrentSnapshot,
        settled: Callable[[], NDArray[np.int64]],
    ) -> None:
        """`settled`: what gives the deleted images, but none whose deletion may still fail."""
        self._segments = index.segments
        self._settled = settled
        self._texts = texts
        self._current = current

    def with_texts(self, manifest: Manifest) -> Manifest:
        """The manifest with all texts that were read so far."""
        if manifest.visual is None:
            return manifest
        base = self._current.manifest().texts or manifest.texts
        try:
            made = self._extended(base)
        except Corrupt as error:
            # The catalogue has them all.
            log.error("the files of texts are written anew: %s", error)
            made = self._extended(None)
        return manifest.model_copy(update={"texts": made})

    def _extended(self, base: TextsManifest | None) -> TextsManifest | None:
        found, revision = self._texts.since(0 if base is None else base.revision)
        files = [] if base is None else list(base.files)
        for file in files:
            self._segments.intact(file)
        if found:
            files.append(self._segments.texts(found))
        if len(files) > _MOST_FILES:
            files = self._merged(files)
        if not files:
            return None
        return TextsManifest(files=files, revision=revision)

    def _merged(self, files: list[SegmentFile]) -> list[SegmentFile]:
        """All texts in one file: the last of each image, none of the deleted."""
        newest: dict[int, ReadText] = {}
        for file in files:
            opened = TextsFile(self._segments.intact(file))
            for row in range(len(opened.ordinals)):
                text = opened.raw(row)
                newest[text.ordinal] = text
        every = np.fromiter(newest, np.int64, len(newest))
        live = every[~np.isin(every, self._settled())]
        return [self._segments.texts([newest[one] for one in live.tolist()])]
