"""Films of the stand-in: sent and allowed by what the services send and allow them by."""

from fastapi import FastAPI, Request, Response

from shared.contracts.query import FileAccess
from shared.core.errors import Unavailable
from shared.web.conditional import ConditionalMiddleware, etag_of
from shared.web.file_answer import FileAnswer
from shared.web.file_cookie import SECONDS, set_cookie
from shared.web.keys import KeyRing
from shared.web.media import validators


class Film:
    """A film in memory, read as an open file is."""

    media_type = "video/webm"

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, start: int, size: int) -> bytes:
        return self.data[start : start + size]

    def close(self) -> None:
        """Do nothing: memory needs no closing."""


def film_answer(film: bytes, checked_in: int | None) -> Response:
    """Return the answer with a film, of which parts can be asked for.

    checked_in: seconds for which it is still checked; None: it was.
    """
    if checked_in is not None:
        raise Unavailable("The file is being checked.", retry_after=checked_in, checking=True)
    headers = validators(etag_of(film)) | {"Cache-Control": "no-store"}
    return FileAnswer(Film(film), headers)


def install_access(app: FastAPI, keys: KeyRing) -> None:
    """Answer ranges, and set the cookie that players read a file by."""
    app.add_middleware(ConditionalMiddleware)

    @app.post("/v1/images/{image_id:path}/file/access")
    async def allow(request: Request, response: Response, image_id: str) -> FileAccess:
        set_cookie(request, response, keys)
        return FileAccess(seconds=SECONDS)
