"""Multipart forms whose files are named as in a header of HTTP, by `filename*` alone."""

from contextlib import aclosing
from email.message import Message

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request


class FormRequest(Request):
    """A request whose multipart form accepts both ways to name a file.

    RFC 7578 requires `filename`, but some clients send `filename*` alone.
    """

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
                self._form = await parser.parse()
        except MultiPartException as error:
            raise HTTPException(status_code=400, detail=error.message) from error
        return self._form


class _Parser(MultiPartParser):
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
