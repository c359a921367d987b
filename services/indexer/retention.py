"""Which snapshots are kept to roll back to."""

import shutil

from services.indexer.segments import SegmentStore
from shared.snapshots.manifest import Manifest, SnapshotStore

BUILD_REASON = "build"
TRAIN_REASON = "matching network trained"
_KEPT_SNAPSHOTS = 10
_KEPT_BUILDS = 5


def remove_old(snapshots: SnapshotStore, segments: SegmentStore, current: Manifest) -> None:
    """Removes snapshots past the kept ones, and the segments that only they had."""
    found = snapshots.readable()
    older = found[:-_KEPT_SNAPSHOTS]
    builds = [m for m in older if m.reason in (BUILD_REASON, TRAIN_REASON)]
    kept = [*builds[-_KEPT_BUILDS:], *found[-_KEPT_SNAPSHOTS:], current]
    numbers = {manifest.number for manifest in kept}
    for manifest in older:
        if manifest.number not in numbers:
            path = snapshots.path(manifest.number)
            path.unlink()
            shutil.rmtree(path.parent, ignore_errors=True)
    segments.remove_unless({f.name for m in kept for f in m.files()})
