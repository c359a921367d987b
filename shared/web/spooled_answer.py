"""A large file as an answer: a copy on disk, read while it is sent."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Self

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from shared.core.budget import Budget, Grant

_PIECE = 256 * 1024


class SpooledFile:
    """A temporary file without a name, and its share of the bytes that may lie on disk."""

    def __init__(self, file: IO[bytes], grant: Grant, media_type: str) -> None:
        self._file = file
        self._grant = grant
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

    def response(self, headers: Mapping[str, str]) -> StreamingResponse:
        """Return the answer; with its end, the file is gone."""
        size = str(os.fstat(self._file.fileno()).st_size)
        return _Answer(self, self._pieces(), {**headers, "Content-Length": size})

    def _pieces(self) -> Iterator[bytes]:
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            yield piece

    def close(self) -> None:
        """Remove the file, and give its share back."""
        self._file.close()
        self._grant.release()


class _Answer(StreamingResponse):
    def __init__(
        self, spooled: SpooledFile, pieces: Iterator[bytes], headers: Mapping[str, str]
    ) -> None:
        super().__init__(pieces, headers=headers, media_type=spooled.media_type)
        self._spooled = spooled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._spooled.close()
