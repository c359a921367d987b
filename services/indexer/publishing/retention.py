"""Retention of snapshots for a roll-back."""

import logging
import shutil
from contextlib import suppress

from services.indexer.publishing.index_files import IndexFiles
from services.indexer.segments.engine import Kept
from shared.core import failpoints
from shared.core.errors import Corrupt, NotFound
from shared.snapshots.manifest import Manifest

log = logging.getLogger(__name__)

BUILD_REASON = "build"
TRAIN_REASON = "matching network trained"
COMPACTION_REASON = "compaction"
MIGRATION_REASON = "migration"
_MILESTONES = (BUILD_REASON, TRAIN_REASON, MIGRATION_REASON)
_KEPT_SNAPSHOTS = 10
_KEPT_MILESTONES = 5


class Retention:
    """Removes snapshots past the kept ones, and the segments and networks that only they had."""

    def __init__(self, index: IndexFiles) -> None:
        self._migrations = index.migrations
        self._snapshots = index.snapshots
        self._segments = index.segments
        self._spaces = index.spaces
        self._networks = index.networks
        # Manifests never change, and each publication reads all of them.
        self._read: dict[int, Manifest] = {}

    def remove_old(self, current: Manifest, is_alone: bool) -> Kept | None:
        """Remove local files; give what `remove_elsewhere` takes. Nothing is named meanwhile.

        `is_alone`: else what no snapshot ever named may be another worker's at this moment.
        """
        try:
            move = self._migrations.still_of(current)
        except Corrupt as error:
            # Its segments are unknown, and the publication must not fail because of it.
            log.error("old snapshots are not removed: %s", error.detail)
            return None
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
        formerly = None if is_alone else {f.name for m in found for f in m.files()}
        files = {f.name for m in kept for f in m.files()} | set(move.files() if move else ())
        self._segments.remove_unless(files, formerly)
        self._segments.keep_open(current.files())
        moving, begun = (move.base, list(move.begun.values())) if move else (None, [])
        return Kept(kept, current, moving, begun, None if is_alone else found)

    def remove_elsewhere(self, kept: Kept | None) -> None:
        """Remove networks, and what engines hold, which may take a while."""
        if kept is not None:
            self._networks.remove_unless({m.joint.fingerprint for m in kept.manifests if m.joint})
            self._spaces.keep(kept)
        failpoints.reach("retention.done")

    def _readable(self) -> list[Manifest]:
        """The manifests that can be read, oldest first; a damaged one is left alone."""
        found = []
        for number in self._snapshots.numbers():
            with suppress(NotFound, Corrupt):
                found.append(self._read.get(number) or self._snapshots.read(number))
        return found
