"""Interface of an engine as the indexer needs it: to build, change, measure and move spaces.

One file an engine: `local_engine.py`, `milvus_engine.py`; `spaces.py` names them both. Whatever the
code above asks of a space, its engine answers for itself; where it has nothing to do, it does
nothing. Searching is `shared/engines/engine.py`.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.clustering.streaming import Blocks
from services.indexer.jobs.context import JobContext
from shared.contracts.indexer import BuildSettings
from shared.contracts.stats import RecallCurve
from shared.engines.engine import Index
from shared.snapshots.items import Item
from shared.snapshots.manifest import Manifest, SegmentFile, SpaceManifest

Reader = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Return the vectors of those of some images that are in a space, in their order: float32 (n, dim).
"""


@dataclass(frozen=True)
class NewSpace:
    """Space to be built: its name, the model and the vectors of its images.

    stage: what the job calls the work. blocks: what reads the vectors of some of `where`, as often
    as one likes. records: the items files that tell the images' tags and metadata.
    """

    name: str
    stage: str
    fingerprint: str
    where: FeatureRows
    blocks: Callable[[FeatureRows], Blocks]
    records: Sequence[SegmentFile]


@dataclass(frozen=True)
class Copy:
    """Space to be copied from another engine, and what an earlier process noted of that.

    ordinals: its images, in the order in which they're copied; `copied` of them are there, in
    `place`. scratch: a file of the copy's own. records: as of `NewSpace`.
    """

    name: str
    space: SpaceManifest
    ordinals: NDArray[np.int64]
    records: Sequence[SegmentFile]
    copied: int
    place: str | None
    scratch: Path


@dataclass(frozen=True)
class Kept:
    """Snapshots to be kept, and what a migration goes on with.

    moving: the snapshot that it reads. begun: the places that it writes to. formerly: the snapshots
    until now; where they are given, what neither they nor this thread made may be another worker's.
    """

    manifests: Sequence[Manifest]
    current: Manifest
    moving: Manifest | None = None
    begun: Collection[str] = ()
    formerly: Sequence[Manifest] | None = None


class CopyTarget(Protocol):
    """Space that vectors are copied to. What was put outlives the process.

    place: its name in the engine, to be noted; None: it needs none. is_new: it's empty, whatever
    was noted before.
    """

    place: str | None
    is_new: bool

    def put(self, rows: slice, live: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Take the vectors of the images at some rows of the copy; of those that are `live`."""

    def finish(self, deleted: NDArray[np.int64], job: JobContext) -> SpaceManifest:
        """Return the space, ready to be searched. Raises Corrupt where it must be copied anew."""


class SpaceEngine(Protocol):
    """Engine that the indexer builds spaces in."""

    title: str
    """Name of the place, for use in a sentence."""
    holds_terms: bool
    """True if it filters by tags and metadata that were copied to it."""

    def build(
        self, new: NewSpace, settings: BuildSettings, job: JobContext, with_codes: bool = True
    ) -> SpaceManifest:
        """Build a space. with_codes: short codes may choose what is compared exactly.

        Raises InvalidInput when more clusters than images are asked for.
        """

    def append(
        self,
        name: str,
        space: SpaceManifest,
        ordinals: NDArray[np.int64],
        blocks: Callable[[], Blocks],
        changed: Sequence[Item],
    ) -> SegmentFile:
        """Add images, which are hits once a snapshot names the file.

        changed: the records of these, among others.
        """

    def retag(self, space: SpaceManifest, changed: Sequence[Item]) -> None:
        """Have filters know the new tags and metadata of those images that are in a space."""

    def merge(
        self, name: str, space: SpaceManifest, files: list[SegmentFile], deleted: NDArray[np.int64]
    ) -> SegmentFile:
        """Merge several additions into one, without the deleted images."""

    def compact(
        self,
        name: str,
        space: SpaceManifest,
        queries: NDArray[np.float32] | None,
        deleted: NDArray[np.int64],
        job: JobContext,
    ) -> SpaceManifest:
        """Merge a whole space into one segment; recall is measured anew where that changes it.

        queries: as of `measure`; there must be some for the joint space to be measured.
        """

    def forget(self, space: SpaceManifest, ordinals: list[int]) -> None:
        """Take out deleted images. Never fails: their tombstones hide them as well."""

    def open(self, space: SpaceManifest) -> Index:
        """Open a space to be searched. Raises Corrupt, Unavailable."""

    def measure(
        self, space: SpaceManifest, name: str, seed: int, queries: NDArray[np.float32] | None = None
    ) -> list[RecallCurve]:
        """Measure the recall of searches. queries: what will be asked; None: a sample of its own
        vectors."""

    def reader(self, space: SpaceManifest) -> Reader:
        """Return a reader of the vectors of a space, which goes on when the space is removed."""

    def stream(
        self, space: SpaceManifest, ordinals: NDArray[np.int64]
    ) -> Iterator[NDArray[np.float32]]:
        """Return the vectors of images that are in a space, in their order, block by block."""

    def copy(self, copy: Copy) -> CopyTarget:
        """Begin a copy, or go on with the one that was noted."""

    def keep(self, kept: Kept) -> None:
        """Remove what the engine holds beside the segments, unless it is to be kept.

        What another thread is making stays.
        """
