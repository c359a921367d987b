"""A large file as an answer: a copy on disk, read while it is sent."""

import os
import tempfile
from collections.abc import Callable, Mapping
from typing import IO, Self

from shared.core.budget import Budget, Grant
from shared.web.file_answer import FileAnswer


class SpooledFile:
    """A temporary file without a name, and its share of the bytes that may lie on disk."""

    def __init__(self, file: IO[bytes], grant: Grant, media_type: str) -> None:
        self._file = file
        self._grant = grant
        self.size = os.fstat(file.fileno()).st_size
        self.media_type = media_type

    @classmethod
    def of(
        cls, spool: Budget, size: int, folder: str, copy: Callable[[IO[bytes]], str | None]
    ) -> Self | None:
        """Have `copy` fill a file in a folder; it returns the media type, or None to give up.

        Raises Overloaded, TooLarge.
        """
        grant = spool.grant(size)
        # No name: nothing is left of it, even by a process that is killed.
        file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        try:
            media_type = copy(file)
            if media_type is not None:
                file.flush()
                return cls(file, grant, media_type)
        except BaseException:
            file.close()
            grant.release()
            raise
        file.close()
        grant.release()
        return None

    def response(self, headers: Mapping[str, str]) -> FileAnswer:
        """Return the answer; with its end, the file is gone."""
        return FileAnswer(self, headers)

    def read(self, start: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, start)

    def close(self) -> None:
        """Remove the file, and give its share back."""
        self._file.close()
        self._grant.release()
