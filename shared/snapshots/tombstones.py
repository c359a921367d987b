"""Deleted images: an append-only file of int64 ordinals that holds for every snapshot."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared import durable

NAME = "tombstones"
_WIDTH = 8


class Tombstones:
    """Reads the file anew only when it grew. An ordinal is never used again."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / NAME
        # One value, so that a reader in another thread never sees half of a change.
        self._seen: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def read(self) -> NDArray[np.int64]:
        """All deleted ordinals, ascending, int64 of shape (n,)."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            size = 0
        seen, dead = self._seen
        if size != seen:
            data = self.path.read_bytes() if size else b""
            # A torn last record was never acknowledged.
            whole = len(data) - len(data) % _WIDTH
            dead = np.unique(np.frombuffer(data[:whole], "<i8")).astype(np.int64)
            self._seen = (size, dead)
        return dead

    def add(self, ordinals: list[int]) -> None:
        """Durable when it returns. Only the indexer calls it, one at a time."""
        is_new = not self.path.exists()
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            end = os.fstat(fd).st_size
            end -= end % _WIDTH
            os.pwrite(fd, np.asarray(ordinals, "<i8").tobytes(), end)
            os.fsync(fd)
        finally:
            os.close(fd)
        if is_new:
            durable.fsync_dir(self.path.parent)
