"""Deleted images: an append-only file of int64 ordinals that holds for every snapshot."""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared import durable, failpoints

NAME = "tombstones"
_WIDTH = 8
# A record that was taken back; no image has this number.
_UNDONE = -1

log = logging.getLogger(__name__)


class Tombstones:
    """Reads the file anew only when it changed. An ordinal is never used again."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / NAME
        # One value, so that a reader in another thread never sees half of a change.
        self._seen: tuple[tuple[int, int], NDArray[np.int64]] = ((-1, 0), np.empty(0, np.int64))

    def read(self) -> NDArray[np.int64]:
        """All deleted ordinals, ascending, int64 of shape (n,).

        The same array until there is a change, so that `is` tells whether there was one.
        """
        try:
            stat = self.path.stat()
            now = stat.st_size, stat.st_mtime_ns
        except FileNotFoundError:
            now = 0, 0
        seen, dead = self._seen
        if now != seen:
            data = self.path.read_bytes() if now[0] else b""
            # A torn last record was never acknowledged.
            whole = len(data) - len(data) % _WIDTH
            found = np.unique(np.frombuffer(data[:whole], "<i8")).astype(np.int64)
            dead = found[found != _UNDONE]
            self._seen = (now, dead)
        return dead

    def add(self, ordinals: list[int]) -> None:
        """Durable when it returns. Only the indexer calls it, one at a time."""
        failpoints.reach("tombstones.begin")
        is_new = not self.path.exists()
        self._write(np.asarray(ordinals, "<i8").tobytes(), self._end())
        failpoints.reach("tombstones.synced")
        if is_new:
            durable.fsync_dir(self.path.parent)
        failpoints.reach("tombstones.durable")

    @contextmanager
    def adding(self) -> Iterator[Callable[[list[int]], None]]:
        """Gives `add`; what it added is taken back where the block raises.

        In place, for a full disk has no room for more. Where not even that can be, the deletion
        stands, and the catalogue follows at the next start.
        """
        begin = self._end()
        try:
            yield self.add
        except BaseException:
            if count := (self._end() - begin) // _WIDTH:
                try:
                    self._write(np.full(count, _UNDONE, "<i8").tobytes(), begin)
                except OSError as error:
                    log.error("%d deletions can't be taken back: %s", count, error)
            raise

    def _end(self) -> int:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return 0
        return size - size % _WIDTH

    def _write(self, data: bytes, at: int) -> None:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if os.pwrite(fd, data, at) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            failpoints.reach("tombstones.written")
            os.fsync(fd)
        finally:
            os.close(fd)
