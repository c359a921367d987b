"""Bodies of requests: JSON of a bounded number of values, and multipart forms.

Files of forms may be named as in a header of HTTP, by `filename*` alone.
"""

import json
from contextlib import aclosing
from email.message import Message
from tempfile import SpooledTemporaryFile
from typing import Any

import anyio.to_thread
from pydantic import BaseModel
from pydantic_core import from_json
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Receive, Scope

from shared.core.errors import full_disk
from shared.web import json_body
from shared.web.admission import SPOOL, VALUES
from shared.web.spool import Spool

_INLINE = 256 * 1024
"""Bytes of JSON that are parsed and validated on the event loop."""
_AT_ONCE = 2**20
"""Bytes of JSON that are parsed in one piece, in a few milliseconds: a batch of searches."""
_UNBOUNDED = 2**62
_MARKS = (b",", b"{", b"[")


class BoundedRequest(Request):
    """A request whose JSON has a bounded number of values, and whose form may be spooled to disk.

    model: that of the route's body, if it has one.

    RFC 7578 requires `filename` of a form's file, but some clients send `filename*` alone.
    """

    def __init__(
        self, scope: Scope, receive: Receive, model: type[BaseModel] | None = None
    ) -> None:
        super().__init__(scope, receive)
        self.model = model

    async def json(self) -> Any:
        """Parse the body. Raises an HTTPException for more values than the route admits.

        Every value takes much more memory than its text, and strings need no bound of their own.
        """
        if not hasattr(self, "_json"):
            body = await self.body()
            most: int = self.scope[VALUES]
            if sum(map(body.count, _MARKS)) > most:
                raise HTTPException(413, f"The body has over {most:,} values. Send less at once.")
            if len(body) <= _INLINE:
                self._json = _parsed(body)
            else:
                self._json = await anyio.to_thread.run_sync(self._read, body)
            # Its text isn't needed any more, and may hold pictures.
            self._body = b""
        return self._json

    def _read(self, body: bytes) -> Any:
        """Parse a large body, and validate it as its route does, which is done in pieces here."""
        found = _parsed(body) if len(body) <= _AT_ONCE else json_body.loads(body)
        return found if self.model is None else json_body.validated(self.model, found)

    async def _get_form(
        self,
        *,
        max_files: int | float = 1000,
        max_fields: int | float = 1000,
        max_part_size: int = 1024 * 1024,
    ) -> FormData:
        limits = {"max_files": max_files, "max_fields": max_fields}
        kind, _ = parse_options_header(self.headers.get("Content-Type"))
        if self._form is not None or kind != b"multipart/form-data":
            return await super()._get_form(**limits, max_part_size=max_part_size)
        try:
            async with aclosing(self.stream()) as stream:
                parser = _Parser(self.headers, stream, **limits, max_part_size=max_part_size)
                parser.folder = self.scope[SPOOL]
                self._form = await parser.parse()
        except MultiPartException as error:
            raise HTTPException(status_code=400, detail=error.message) from error
        except OSError as error:
            if (full := full_disk(error)) is None:
                raise
            # FastAPI makes any other error while a body is read a 400.
            raise HTTPException(507, full.detail) from error
        return self._form


def _parsed(body: bytes) -> Any:
    """Parse JSON. Raises JSONDecodeError and others as `json.loads` does."""
    try:
        # Twice as fast; it reads less than Python does, such as no lone surrogates.
        return from_json(body)
    except ValueError:
        return json.loads(body)


class _Parser(MultiPartParser):
    folder: str | None = None
    """Folder for files; None: they stay in memory."""
    _spool: Spool | None = None

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part.file
        if part is None:
            return
        # The parser's own files would go to the folder of the system, often a tmpfs.
        self._files_to_close_on_error.pop().close()
        if self.folder is None:
            file: Any = SpooledTemporaryFile(max_size=_UNBOUNDED)  # noqa: SIM115
        else:
            self._spool = self._spool or Spool(self.folder)
            file = self._spool.begin()
        self._files_to_close_on_error.append(file)
        self._current_part.file = UploadFile(
            file=file,
            size=0,
            filename=part.filename,
            headers=part.headers,
        )

    def on_header_end(self) -> None:
        super().on_header_end()
        disposition = self._current_part.content_disposition
        if disposition is not None:
            self._current_part.content_disposition = with_filename(disposition)


def with_filename(disposition: bytes) -> bytes:
    """Return a Content-Disposition with a plain `filename`, where it has only a `filename*`."""
    if b"*" not in disposition or b"filename" in parse_options_header(disposition)[1]:
        return disposition
    message = Message()
    message["Content-Disposition"] = disposition.decode("latin-1")
    name = message.get_filename()
    if name is None:
        return disposition
    plain = name.encode(errors="replace").replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return disposition + b'; filename="' + plain + b'"'
