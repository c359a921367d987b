"""Opened files of snapshots."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from shared.engines.table import Engines
from shared.snapshots.manifest import SegmentFile
from shared.snapshots.store import SnapshotStore

T = TypeVar("T")


class SegmentCache:
    """Opened segment files by name: they never change, so the next snapshot takes them over."""

    def __init__(self, store: SnapshotStore, engines: Engines | None = None) -> None:
        self._store = store
        self.engines = engines or Engines()
        self._opened: dict[str, object] = {}

    def open(self, file: SegmentFile, opener: Callable[[Path], T]) -> T:
        """Opens a file, after its hash was checked, or gives the one that's open."""
        if file.name not in self._opened:
            self._opened[file.name] = opener(self._store.verified(file))
        return self._opened[file.name]  # type: ignore[return-value]

    def keep_only(self, files: Iterable[SegmentFile]) -> None:
        """Forgets the rest; it closes when the last request that uses it ends."""
        kept = {file.name for file in files}
        self._opened = {name: value for name, value in self._opened.items() if name in kept}
