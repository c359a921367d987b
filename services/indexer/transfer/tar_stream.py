"""A tar archive as a stream whose length is known before its first byte."""

import tarfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

_CHUNK = 2**20


@dataclass(frozen=True)
class Member:
    """A file of the archive. `chunks` are read once, and have `size` bytes together."""

    name: str
    size: int
    chunks: Iterable[bytes | memoryview]

    @classmethod
    def of(cls, name: str, file: IO[bytes]) -> "Member":
        """All that was written to a file."""
        size = file.tell()
        file.seek(0)
        return cls(name, size, iter(lambda: file.read(_CHUNK), b""))

    @property
    def _padding(self) -> bytes:
        return bytes(-self.size % tarfile.BLOCKSIZE)

    @property
    def head(self) -> bytes:
        info = tarfile.TarInfo(self.name)
        info.size, info.mtime = self.size, int(time.time())
        return info.tobuf(tarfile.GNU_FORMAT)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        yield self.head
        yield from self.chunks
        yield self._padding

    def __len__(self) -> int:
        return tarfile.BLOCKSIZE + self.size + len(self._padding)


_END = bytes(2 * tarfile.BLOCKSIZE)


def archive(members: Sequence[Member]) -> tuple[int, Iterator[bytes | memoryview]]:
    """The length of the archive, and its bytes."""

    def stream() -> Iterator[bytes | memoryview]:
        for member in members:
            yield from member
        yield _END

    return sum(map(len, members)) + len(_END), stream()
