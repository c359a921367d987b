"""A file of a source, wherever it is; and the one of this machine."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple, Protocol

from shared import durable


class Stamp(NamedTuple):
    """What changes when a file does. `inode`: which file it is; elsewhere the number of its version
    (ETag, CRC)."""

    mtime_ns: int
    bytes: int
    inode: int = 0


class NotAFile(OSError):
    """A folder, a pipe, or something else that isn't read."""


class File(Protocol):
    """Bytes at an address. OSErrors say what a person can act on; Unavailable: nothing answers."""

    @property
    def path(self) -> str:
        """Its address, as the catalogue keeps it."""

    @property
    def is_local(self) -> bool: ...

    @property
    def listed(self) -> Stamp | None:
        """Its stamp where a listing told it: it costs nothing then."""

    def stamp(self) -> Stamp | None:
        """Without reading it; None where that can't be had."""

    def read(self, most: int) -> bytes:
        """All of it. Raises TooLarge where that is over `most` bytes."""

    def sha256(self, most: int) -> str: ...


class LocalFile:
    """A file of this machine."""

    is_local = True
    listed = None

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> str:
        return str(self._path.absolute())

    def stamp(self) -> Stamp:
        stat = self._path.stat()
        if not S_ISREG(stat.st_mode):
            raise NotAFile
        return stamp_of(stat)

    def read(self, most: int) -> bytes:
        return self._path.read_bytes()

    def sha256(self, most: int) -> str:
        return durable.sha256_of(self._path)


@dataclass(frozen=True)
class FarFile:
    """A file elsewhere. `fetch` reads at most so many bytes; `look` asks for its stamp."""

    path: str
    fetch: Callable[[int], bytes]
    look: Callable[[], Stamp | None] = lambda: None
    listed: Stamp | None = None

    is_local = False

    def stamp(self) -> Stamp | None:
        return self.look() if self.listed is None else self.listed

    def read(self, most: int) -> bytes:
        return self.fetch(most)

    def sha256(self, most: int) -> str:
        return sha256(self.fetch(most)).hexdigest()


def stamp_of(stat: os.stat_result) -> Stamp:
    return Stamp(stat.st_mtime_ns, stat.st_size, signed(stat.st_ino))


def signed(number: int) -> int:
    """As a database's integers are: some network file systems use all 64 bits."""
    return number - 2**64 if number >= 2**63 else number
