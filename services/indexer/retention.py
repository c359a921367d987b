"""Which snapshots are kept to roll back to."""

import shutil
from contextlib import suppress

from services.indexer.segments import SegmentStore
from shared import failpoints
from shared.errors import Corrupt, NotFound
from shared.snapshots.manifest import Manifest, SnapshotStore

BUILD_REASON = "build"
TRAIN_REASON = "matching network trained"
COMPACTION_REASON = "compaction"
_MILESTONES = (BUILD_REASON, TRAIN_REASON)
_KEPT_SNAPSHOTS = 10
_KEPT_MILESTONES = 5


class Retention:
    """Removes snapshots past the kept ones, and the segments that only they had."""

    def __init__(self, snapshots: SnapshotStore, segments: SegmentStore) -> None:
        self._snapshots = snapshots
        self._segments = segments
        # A manifest never changes, and each publication asks for all that are kept.
        self._read: dict[int, Manifest] = {}

    def remove_old(self, current: Manifest) -> None:
        found = self._readable()
        older = found[:-_KEPT_SNAPSHOTS]
        milestones = [m for m in older if m.reason in _MILESTONES]
        kept = [*milestones[-_KEPT_MILESTONES:], *found[-_KEPT_SNAPSHOTS:], current]
        numbers = {manifest.number for manifest in kept}
        for manifest in older:
            if manifest.number not in numbers:
                path = self._snapshots.path(manifest.number)
                failpoints.reach("retention.begin")
                path.unlink()
                failpoints.reach("retention.manifest")
                shutil.rmtree(path.parent, ignore_errors=True)
        self._read = {manifest.number: manifest for manifest in kept}
        self._segments.remove_unless({f.name for m in kept for f in m.files()})
        self._segments.keep_open(current.files())
        failpoints.reach("retention.done")

    def _readable(self) -> list[Manifest]:
        """The manifests that can be read, oldest first; a damaged one is left alone."""
        found = []
        for number in self._snapshots.numbers():
            with suppress(NotFound, Corrupt):
                found.append(self._read.get(number) or self._snapshots.read(number))
        return found
