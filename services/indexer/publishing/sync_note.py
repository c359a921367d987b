"""Note of the images that a sync is about to delete, for a process that is killed meanwhile.

A tombstone tells that an image is deleted, not who deleted it: syncs leave out the files of what a
user deleted from then on, and take in again those of what a sync deleted. A sync's deletion is
taken back by the undo of its job.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shared.files import durable

_NAME = "sync-deletions.json"


@dataclass(frozen=True)
class SyncDeletions:
    """Ordinals of images that a sync was deleting, and the job that its deletions are undone by."""

    ordinals: frozenset[int] = frozenset()
    undo: str | None = None


class SyncNote:
    """File beside the tombstones."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / _NAME

    def add(self, ordinals: Iterable[int], undo: str | None = None) -> None:
        """Durable when it returns, so that it is there before the tombstones are."""
        noted = {"ordinals": sorted({*self.read().ordinals, *ordinals}), "undo": undo}
        durable.write_text(self._path, json.dumps(noted))

    def read(self) -> SyncDeletions:
        """Return what was noted; a damaged note has nothing."""
        try:
            found = json.loads(self._path.read_bytes())
            # An older version noted the ordinals alone.
            noted = found if isinstance(found, dict) else {"ordinals": found, "undo": None}
            return SyncDeletions(frozenset(map(int, noted["ordinals"])), noted["undo"])
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return SyncDeletions()

    def tidy(self) -> None:
        """Remove what a process that was killed while it noted left behind."""
        for left in self._path.parent.glob(f".{_NAME}.*{durable.TEMPORARY_SUFFIX}"):
            left.unlink()

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)
