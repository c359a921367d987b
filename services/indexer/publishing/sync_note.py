"""Note of the images that a sync is about to delete, for a process that is killed meanwhile.

A tombstone tells that an image is deleted, not who deleted it: a user's deletion is kept in the
trash, and syncs leave its files out from then on; a sync's isn't.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from shared.files import durable

_NAME = "sync-deletions.json"


class SyncNote:
    """Ordinals in a file beside the tombstones."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / _NAME

    def add(self, ordinals: Iterable[int]) -> None:
        """Durable when it returns, so that it is there before the tombstones are."""
        durable.write_text(self._path, json.dumps(sorted({*self.read(), *ordinals})))

    def read(self) -> set[int]:
        """Return the noted ordinals; a damaged note has none."""
        try:
            return {int(one) for one in json.loads(self._path.read_bytes())}
        except (FileNotFoundError, ValueError, TypeError):
            return set()

    def clear(self) -> None:
        self._path.unlink(missing_ok=True)
