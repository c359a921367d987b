"""Engine of this machine: a space is the segments of its snapshot."""

from collections.abc import Sequence

from shared.engines.engine import Index
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.reader import Postings
from shared.snapshots.manifest import SegmentFile, SpaceManifest


class LocalEngine:
    """Opens inverted indexes over memory-mapped files."""

    def open(
        self, space: SpaceManifest, segments: Sequence[Postings], former: Index | None = None
    ) -> InvertedIndex:
        before = former if isinstance(former, InvertedIndex) else None
        return InvertedIndex(segments, space.metric, before)

    def vector_files(self, space: SpaceManifest) -> list[SegmentFile]:
        return space.postings

    def close(self) -> None:
        """Do nothing: a file closes with the last index that reads it."""
