"""Deleted images: a file of int64 ordinals that holds for every snapshot.

    magic  8 bytes | count  int64 | CRC-32 of the counted ordinals | CRC-32 of what is before
    ordinal int64, ordinal int64, ...

What counts is what the header counts: ordinals are appended and synced, then the header is written
and synced. So a torn end was never acknowledged, and whatever else doesn't agree is damage.
"""

import errno
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.core import failpoints
from shared.core.errors import CatalogueAway, Corrupt
from shared.files import durable

NAME = "tombstones"
_MAGIC = b"ISEdead2"
_FIELDS = struct.Struct("<8sqI")
_CHECK = struct.Struct("<I")
_HEADER = _FIELDS.size + _CHECK.size
_WIDTH = 8
# Older versions marked a withdrawn record with this number.
_UNDONE = -1
# Every ordinal is below it, and every file header reads as a larger number.
_LARGEST = 2**48

_Key = tuple[bytes, int]
_NOTHING: _Key = (b"", -1)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _State:
    """State in a header."""

    count: int = 0
    crc: int = 0

    @classmethod
    def of(cls, header: bytes) -> "_State":
        """Raises ValueError where it is damaged."""
        fields, check = header[: _FIELDS.size], header[_FIELDS.size :]
        if check != _CHECK.pack(zlib.crc32(fields)):
            raise ValueError("its header is not what its checksum says")
        _, count, crc = _FIELDS.unpack(fields)
        return cls(count, crc)

    def header(self) -> bytes:
        fields = _FIELDS.pack(_MAGIC, self.count, self.crc)
        return fields + _CHECK.pack(zlib.crc32(fields))

    def with_more(self, records: bytes) -> "_State":
        return _State(self.count + len(records) // _WIDTH, zlib.crc32(records, self.crc))


class Tombstones:
    """Reads the file again only when it has changed. Ordinals are never reused."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / NAME
        # One tuple, so that readers in other threads never see half of a change.
        self._seen: tuple[_Key, NDArray[np.int64]] = (_NOTHING, np.empty(0, np.int64))

    def read(self) -> NDArray[np.int64]:
        """All deleted ordinals, ascending, int64 of shape (n,). Raises Corrupt.

        The same array until there is a change, so that `is` tells whether there was one.
        """
        seen, deleted = self._seen
        if self._key() != seen:
            self._seen = self._whole()
            _, deleted = self._seen
        return deleted

    def is_old(self) -> bool:
        """Return whether an older version, which stored no checksum, wrote the file."""
        head, size = self._key()
        return size >= 0 and not head.startswith(_MAGIC)

    def add(self, ordinals: list[int]) -> None:
        """Durable when it returns. Only the indexer calls it, one at a time. Raises Corrupt."""
        failpoints.reach("tombstones.begin")
        before = self._begin()
        records = np.asarray(ordinals, "<i8").tobytes()
        self._write(records, _HEADER + before.count * _WIDTH, "tombstones.written")
        failpoints.reach("tombstones.synced")
        self._write(before.with_more(records).header(), 0, "tombstones.counted")
        failpoints.reach("tombstones.durable")

    @contextmanager
    def adding(self) -> Iterator[Callable[[list[int]], None]]:
        """Context manager with `add`; added deletions are undone if the block raises.

        Undone in place, because a full disk has no room for more. The deletions remain if that
        fails too, if the catalogue's connection was lost, which may have committed them, or if
        another worker has added some since.
        """
        before = after = self._begin()

        def add(ordinals: list[int]) -> None:
            nonlocal after
            try:
                self.add(ordinals)
            finally:
                after = self._begin()

        try:
            yield add
        except CatalogueAway:
            raise
        except BaseException:
            now = self._begin()
            if now != after:
                log.error("failed deletions remain, because another worker has deleted since")
            elif added := now.count - before.count:
                try:
                    self._write(before.header(), 0, "tombstones.undone")
                except OSError as error:
                    log.error("%d deletions can't be undone: %s", added, error)
            raise

    def replace(self, ordinals: NDArray[np.int64]) -> None:
        """Rewrite the file with these deletions."""
        durable.write_bytes(self.path, encoded(ordinals), "tombstones-file")

    def tidy(self) -> None:
        """Remove files of a process that was killed while it rewrote the deletions."""
        for left in self.path.parent.glob(f".{NAME}.*{durable.TEMPORARY_SUFFIX}"):
            left.unlink()

    def _begin(self) -> _State:
        """Return the state before a change; a file of an older version is rewritten first."""
        deleted = self.read()
        if not self._key()[0].startswith(_MAGIC):
            self.replace(deleted)
        return _State.of(self._key()[0])

    def _key(self) -> _Key:
        """Return a value that differs after each change: the header; of a file without one, the
        size too.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return _NOTHING
        try:
            head = os.pread(fd, _HEADER, 0)
            return head, os.fstat(fd).st_size
        finally:
            os.close(fd)

    def _whole(self) -> tuple[_Key, NDArray[np.int64]]:
        """Return the whole file. Damage persists on a second read, unlike a concurrent write."""
        last: bytes | None = None
        while True:
            try:
                data = self.path.read_bytes()
            except FileNotFoundError:
                return _NOTHING, np.empty(0, np.int64)
            try:
                return (data[:_HEADER], len(data)), parsed(data)
            except ValueError as error:
                if data == last:
                    way_out = "`ise repair` rebuilds it from the catalogue."
                    raise Corrupt(f"{self.path} is damaged: {error}. {way_out}") from None
                last = data

    def _write(self, data: bytes, at: int, step: str) -> None:
        fd = os.open(self.path, os.O_RDWR)
        try:
            if os.pwrite(fd, data, at) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            failpoints.reach(step)
            os.fsync(fd)
        finally:
            os.close(fd)


def encoded(ordinals: NDArray[np.int64]) -> bytes:
    """The bytes of a file of these."""
    records = ordinals.astype("<i8").tobytes()
    return _State().with_more(records).header() + records


def parsed(data: bytes) -> NDArray[np.int64]:
    """The ordinals in the bytes of a file. Raises ValueError where it is damaged."""
    if data.startswith(_MAGIC):
        state = _State.of(data[:_HEADER])
        records = data[_HEADER:][: state.count * _WIDTH]
        if _State().with_more(records) != state:
            raise ValueError("its deletions are not what its checksum says")
        return np.unique(np.frombuffer(records, "<i8")).astype(np.int64)
    # A torn last record, which older versions could leave, was never acknowledged.
    whole = data[: len(data) - len(data) % _WIDTH]
    found = np.unique(np.frombuffer(whole, "<i8")).astype(np.int64)
    if not whole or found[0] < _UNDONE or found[-1] > _LARGEST:
        raise ValueError("it doesn't begin as such a file does")
    return np.setdiff1d(found, [_UNDONE])
