"""Version of the collection that is served: a snapshot, and the number of deletions that hold for
it.

Both only grow, so a client that was told of one can ask any replica for what has at least that.
Only a deletion that the catalogue can't follow, as on a full disk, is taken back. As text `12.3`:
snapshot 12, 3 deletions.
"""

from pathlib import Path
from typing import NamedTuple, Self

from shared.snapshots.store import SnapshotStore
from shared.snapshots.tombstones import Tombstones

HEADER = "X-ISE-Version"
"""Header of the indexer's answers: the version that contains the requested change."""


class Version(NamedTuple):
    snapshot: int
    deletions: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        snapshot, deletions = map(int, text.split("."))
        return cls(snapshot, deletions)

    def __str__(self) -> str:
        return f"{self.snapshot}.{self.deletions}"

    def has(self, other: "Version") -> bool:
        """Return whether this version includes everything of another one."""
        return self.snapshot >= other.snapshot and self.deletions >= other.deletions


class Published:
    """The version that a data directory holds."""

    def __init__(self, data_dir: Path) -> None:
        self._snapshots = SnapshotStore(data_dir)
        self._tombstones = Tombstones(data_dir)

    def version(self) -> Version:
        """Raises Corrupt."""
        # A deletion between the two reads is reported late rather than early.
        deletions = len(self._tombstones.read())
        return Version(self._snapshots.current_number() or 0, deletions)
