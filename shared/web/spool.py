"""Files of a form on disk: those of one form share a temporary file, and so one descriptor."""

import io
import os
import tempfile
from typing import Any


class Spool:
    """A temporary file without a name, which ends with the last of its parts."""

    def __init__(self, folder: str) -> None:
        self._fd = -1
        self._open = 0
        self.size = 0
        # No name: nothing is left of it, even by a process that is killed.
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            # A descriptor, which the parts of a form that nobody closed close when they go.
            self._fd = os.dup(file.fileno())

    def begin(self) -> "SpooledPart":
        """Return the next part, whose bytes are written before those of another one."""
        self._open += 1
        return SpooledPart(self, self._fd)

    def leave(self) -> None:
        """Close the file with its last part."""
        self._open -= 1
        if not self._open:
            os.close(self._fd)
            # By now the number may be another file's.
            self._fd = -1

    def __del__(self) -> None:
        if not self._open and self._fd >= 0:
            os.close(self._fd)


class SpooledPart(io.RawIOBase):
    """One file of a form: a part of the spool."""

    def __init__(self, spool: Spool, fd: int) -> None:
        super().__init__()
        self._spool = spool
        self._fd = fd
        self._begin = 0
        self._size = 0
        self._at = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def write(self, data: Any) -> int:
        """Append all of the data."""
        view = memoryview(data)
        written = 0
        if not self._size:
            self._begin = self._spool.size
        while written < len(view):
            written += os.pwrite(self._fd, view[written:], self._begin + self._size + written)
        self._size += written
        self._at = self._size
        self._spool.size += written
        return written

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        size = min(len(view), max(0, self._size - self._at))
        data = os.pread(self._fd, size, self._begin + self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        # In one piece, which may have many mebibytes.
        return self.read(max(0, self._size - self._at)) or b""

    def peek(self, _: int = 0) -> bytes:
        """Return the next bytes and stay; lines are found with it."""
        size = min(io.DEFAULT_BUFFER_SIZE, max(0, self._size - self._at))
        return os.pread(self._fd, size, self._begin + self._at)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._fd = -1
            self._spool.leave()
