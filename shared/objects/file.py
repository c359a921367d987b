"""A file of a source, wherever it is; and the one of this machine."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, NamedTuple, Protocol, Self

from shared.core.errors import TooLarge
from shared.objects.local_path import readable, text_of
from shared.objects.opening import NotAFile, Roots, open_file

__all__ = ["FarFile", "File", "LocalFile", "NotAFile", "Stamp", "signed", "stamp_of"]

_CHUNK = 1 << 20
_PIECE = 8 << 20


class _Numbers(NamedTuple):
    mtime_ns: int
    bytes: int
    inode: int = 0
    ctime_ns: int = 0


class Stamp(_Numbers):
    """Stamp of a file, which changes with it. `inode`: identity of the file; for remote files a
    version number (ETag, CRC). `ctime_ns`: change time of a local file, which no program can set;
    else 0.

    It only saves reading: the SHA-256 decides what a file contains. Numbers are stored with 64
    bits, even if file systems have times after 2262.
    """

    __slots__ = ()

    def __new__(cls, mtime_ns: int, bytes: int, inode: int = 0, ctime_ns: int = 0) -> Self:  # noqa: A002
        return super().__new__(
            cls, signed(mtime_ns), signed(bytes), signed(inode), signed(ctime_ns)
        )


class File(Protocol):
    """Bytes at an address.

    OSErrors have messages for users; Unavailable: the source doesn't answer.
    """

    @property
    def path(self) -> str:
        """Address of the file in the catalogue's form."""

    @property
    def is_local(self) -> bool: ...

    @property
    def listed(self) -> Stamp | None:
        """Stamp from a listing, which costs no request."""

    def stamp(self) -> Stamp | None:
        """Return the stamp without reading the file; None if it has none."""

    def read(self, most: int) -> bytes:
        """All of it. Raises TooLarge where that is over `most` bytes."""

    def sha256(self, most: int) -> str: ...


class InPieces(Protocol):
    """A file that needn't be read at once."""

    def chunks(self, most: int) -> Iterator[bytes]:
        """Give all of it piece by piece. Raises TooLarge where that is over `most` bytes."""


class LocalFile:
    """A file of this machine. `roots`: where it must lie when it's read."""

    is_local = True
    listed = None

    def __init__(self, path: Path, roots: Roots = None) -> None:
        self._path = path
        self.roots = roots

    @property
    def path(self) -> str:
        return text_of(str(self._path.absolute()))

    def stamp(self) -> Stamp:
        stat = self._path.stat()
        if not S_ISREG(stat.st_mode):
            raise NotAFile(22, "it is not a regular file", str(self._path))
        return stamp_of(stat)

    def read(self, most: int) -> bytes:
        with open_file(self._path, self.roots) as file:
            size = os.fstat(file.fileno()).st_size
            # One byte more than the size shows that the file grew.
            data = file.read(min(size, most) + 1)
        if max(size, len(data)) > most:
            raise self._too_large(most)
        return data

    def opened(self) -> AbstractContextManager[BinaryIO]:
        """Open it for reading, within its roots."""
        return open_file(self._path, self.roots)

    def sha256(self, most: int) -> str:
        digest = sha256()
        for chunk in self.chunks(most):
            digest.update(chunk)
        return digest.hexdigest()

    def chunks(self, most: int) -> Iterator[bytes]:
        """Give all of it, a mebibyte at a time. Raises TooLarge where that is over `most` bytes."""
        left = most
        with open_file(self._path, self.roots) as file:
            while chunk := file.read(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise self._too_large(most)
                yield chunk

    def _too_large(self, most: int) -> TooLarge:
        return TooLarge(f"{readable(str(self._path))} is over the limit of {most / 2**20:g} MiB.")


class StoredFile:
    """An object of a store, read in pieces of some mebibytes."""

    def __init__(self, path: str, size: int, fetch: Callable[[int, int], bytes]) -> None:
        """`fetch`: gives the bytes from one offset to before another."""
        self._path = path
        self._size = size
        self._fetch = fetch

    def chunks(self, most: int) -> Iterator[bytes]:
        if self._size > most:
            raise TooLarge(f"{self._path} is over the limit of {most / 2**20:g} MiB.")
        for start in range(0, self._size, _PIECE):
            yield self._fetch(start, min(start + _PIECE, self._size))


@dataclass(frozen=True)
class FarFile:
    """A remote file. `fetch` reads a limited number of bytes; `look` requests its stamp; `pieces`
    gives the same file to be read piece by piece, where its source can do that.
    """

    path: str
    fetch: Callable[[int], bytes]
    look: Callable[[], Stamp | None] = lambda: None
    listed: Stamp | None = None
    pieces: Callable[[], InPieces] | None = None

    is_local = False

    def stamp(self) -> Stamp | None:
        return self.look() if self.listed is None else self.listed

    def read(self, most: int) -> bytes:
        return self.fetch(most)

    def sha256(self, most: int) -> str:
        return sha256(self.fetch(most)).hexdigest()


def stamp_of(stat: os.stat_result) -> Stamp:
    return Stamp(stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_ctime_ns)


def signed(number: int) -> int:
    """Return a number as a signed 64-bit integer, as databases have it; larger ones wrap around, so
    that two near numbers still differ.
    """
    return (number + 2**63) % 2**64 - 2**63
