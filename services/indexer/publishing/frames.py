"""Key frames of a snapshot's videos, from the features of them that the catalogue has.

They lie beside the index: a search compares all of them. They are an extra: where the embedder
can't project them, or a file is damaged, a snapshot goes without what is missing.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.frames import Frames
from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.embedding.client import Embedding
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.labels import Asking
from shared.core.errors import CatalogueAway, Corrupt, ISEError
from shared.models.external import is_external
from shared.snapshots.frames import FrameVectors, read_frames
from shared.snapshots.manifest import FramesManifest, Manifest, SegmentFile

log = logging.getLogger(__name__)

_MOST_FILES = 6

Vectors = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Return a space's vectors of features, (n, dim) each."""


class FrameFiles:
    """Completes the key frames of manifests. Several threads may prepare publications at once."""

    def __init__(
        self,
        index: IndexFiles,
        frames: Frames,
        embedding: Embedding,
        current: CurrentSnapshot,
        settled: Callable[[], NDArray[np.int64]],
    ) -> None:
        """`settled`: what gives the deleted images, but none whose deletion may still fail."""
        self._segments = index.segments
        self._settled = settled
        self._frames = frames
        self._embedding = embedding
        self._current = current

    def with_frames(self, manifest: Manifest, asking: Asking | None = None) -> Manifest:
        """The manifest with the key frames of its videos, as far as they can be had at once.

        asking: None: the embedder, which makes joint vectors, isn't asked.
        """
        found: list[FramesManifest] = []
        for space in manifest.spaces:
            lineage = manifest.frames_lineage(space)
            base = self._base(manifest, space, lineage)
            try:
                try:
                    made = self._extended(manifest, space, base, asking)
                except Corrupt as error:
                    # The catalogue has them all.
                    log.error("the files of key frames are written anew: %s", error)
                    base = None
                    made = self._extended(manifest, space, None, asking)
            except (LeaseLost, CatalogueAway):
                raise
            except (ISEError, OSError) as error:
                log.warning("videos have no key frames yet: %s", error)
                made = base
            if made is not None:
                found.append(made)
        return manifest.model_copy(update={"frames": found})

    def _base(self, manifest: Manifest, space: str, lineage: str | None) -> FramesManifest | None:
        """The key frames to go on with: those in use now, or the manifest's own, if newer."""
        current = self._current.manifest()
        both = [manifest.frames_of(space)]
        if current.frames_lineage(space) == lineage:
            both.append(current.frames_of(space))
        return max(
            (one for one in both if one is not None), key=lambda one: one.revision, default=None
        )

    def _extended(
        self, manifest: Manifest, space: str, base: FramesManifest | None, asking: Asking | None
    ) -> FramesManifest | None:
        its = manifest.spaces[space]
        model = its.fingerprint if space == "visual" else manifest.matching_fingerprint
        if model is None or is_external(model):
            return None
        ordinals, revision = self._frames.since(model, 0 if base is None else base.revision)
        files = [] if base is None else list(base.files)
        for file in files:
            self._segments.intact(file)
        if ordinals:
            if space != "visual" and asking is None:
                # The next publication, which may ask, comes back to them.
                return base
            with asking() if asking is not None else nullcontext():
                written = self._written(model, ordinals, self._vectors(manifest, space))
            files += written
        if len(files) > _MOST_FILES:
            files = self._merged(files)
        if not files:
            return None
        lineage = manifest.frames_lineage(space) or ""
        return FramesManifest(space=space, lineage=lineage, revision=revision, files=files)

    def _vectors(self, manifest: Manifest, space: str) -> Vectors:
        its = manifest.spaces[space]
        matching = manifest.matching_fingerprint
        if space != "visual" and matching is not None:
            return lambda rows: self._embedding.project(rows, matching, its.fingerprint)
        transform = self._segments.transform_of(its)
        return (lambda rows: rows) if transform is None else transform

    def _written(self, model: str, ordinals: Sequence[int], vectors: Vectors) -> list[SegmentFile]:
        parts = []
        for some in self._frames.read(model, ordinals):
            if not some:
                continue
            counts = [len(one.times) for one in some]
            parts.append(
                FrameVectors(
                    np.repeat(np.array([one.ordinal for one in some], np.int64), counts),
                    np.concatenate([np.array(one.times, np.float32) for one in some]),
                    vectors(np.concatenate([one.features for one in some])),
                )
            )
        return [self._segments.frames(FrameVectors.joined(parts))] if parts else []

    def _merged(self, files: list[SegmentFile]) -> list[SegmentFile]:
        """All frames in one file: the last of each video, none of the deleted."""
        joined = FrameVectors.joined([read_frames(self._segments.intact(file)) for file in files])
        live = joined.at(~np.isin(joined.ordinals, self._settled()))
        return [self._segments.frames(live)] if len(live) else []
