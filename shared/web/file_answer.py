"""An open file as an answer: only the requested part of it is read, while it is sent."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

import anyio.to_thread
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from shared.web.conditional import SEEK

_PIECE = 256 * 1024

log = logging.getLogger(__name__)


class OpenFile(Protocol):
    """A file that is open for the time of an answer."""

    size: int
    media_type: str

    def read(self, start: int, size: int) -> bytes:
        """Return bytes; none at the end. Raises OSError."""

    def close(self) -> None: ...


class FileAnswer(StreamingResponse):
    """Answer with an open file, which is closed with its end, also if the client leaves.

    A few pieces of 256 KiB are in memory at a time. Of a file that can't be read any more, the
    connection ends before the announced length, so that nobody takes it for whole.
    """

    def __init__(self, file: OpenFile, headers: Mapping[str, str]) -> None:
        self._file = file
        self._part = range(file.size)
        headers = {**headers, "Content-Length": str(file.size)}
        super().__init__(self._pieces(), headers=headers, media_type=file.media_type)

    async def _pieces(self) -> AsyncIterator[bytes]:
        at, end = self._part.start, self._part.stop
        while at < end:
            piece = await anyio.to_thread.run_sync(self._file.read, at, min(_PIECE, end - at))
            if not piece:
                raise OSError(5, "the file is shorter than it was")
            at += len(piece)
            yield piece

    def _seek(self, part: range) -> None:
        self._part = part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def seeking(message: Message) -> None:
            if message["type"] == "http.response.start":
                seek: Callable[[range], None] = self._seek
                message = {**message, SEEK: seek}
            await send(message)

        try:
            await super().__call__(scope, receive, seeking)
        except OSError as error:
            # The server closes the connection, as the answer has no end.
            log.warning("an answer ends before its time: %s", error)
        finally:
            self._file.close()
