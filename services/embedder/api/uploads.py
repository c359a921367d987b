"""The files of a body: multipart, or one after the other."""

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from services.embedder.config import EmbedderSettings
from shared.contracts.embedder import RAW_MEDIA_TYPE
from shared.contracts.framing import unframed
from shared.core.errors import InvalidInput, Unavailable

FIELD = "files"

_BINARY = {"type": "string", "format": "binary"}


def body_of(properties: dict[str, Any]) -> dict[str, Any]:
    """Describe a multipart body of files and further fields for OpenAPI."""
    files = {
        "type": "array",
        "items": _BINARY,
        "description": "Pictures: JPEG, PNG, WebP, GIF and TIFF (first frame), BMP, AVIF or HEIC, "
        "recognised by their content.",
    }
    schema = {
        "type": "object",
        "required": [FIELD],
        "examples": [{FIELD: ["castle.jpg", "garden.png"]}],
        "properties": {FIELD: files} | properties,
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    }


FILES_BODY = body_of({})
FILES_BODY["requestBody"]["content"][RAW_MEDIA_TYPE] = {
    "schema": {
        **_BINARY,
        "description": "Pictures one after the other, each after its length in bytes as a "
        "little-endian uint32.",
    }
}


async def uploads(request: Request) -> list[bytes]:
    """The contents of the `files` parts, in order, whatever their names and content types; or the
    files of a raw body.

    Raises InvalidInput for a body without any, with other parts, or with too many, and Unavailable
    for one that takes too long to arrive.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() == RAW_MEDIA_TYPE:
        return await _framed(request)
    files, _ = await uploads_beside(request, None)
    return files


async def _framed(request: Request) -> list[bytes]:
    settings: EmbedderSettings = request.app.state.settings
    try:
        async with asyncio.timeout(settings.embed_seconds):
            body = await request.body()
    except TimeoutError as error:
        raise _too_slow(settings) from error
    files = unframed(body, settings.max_files)
    if not files:
        raise InvalidInput("No files: send the length of each as a little-endian uint32, then it.")
    return files


def _too_slow(settings: EmbedderSettings) -> Unavailable:
    return Unavailable(
        f"The files took over {settings.embed_seconds:g} seconds to arrive "
        "(ISE_EMBED_SECONDS); send fewer at a time.",
        retry_after=5,
    )


async def uploads_beside(request: Request, other: str | None) -> tuple[list[bytes], bytes | None]:
    """The same, and the content of the part `other`, where there is one. Raises as `uploads`."""
    settings: EmbedderSettings = request.app.state.settings
    limits = {"max_files": settings.max_files, "max_part_size": settings.max_image_bytes}
    try:
        async with asyncio.timeout(settings.embed_seconds), request.form(**limits) as form:
            parts = form.multi_items()
            others = sorted({name for name, _ in parts if name not in (FIELD, other)})
            if others:
                raise InvalidInput(f"Unknown form fields: {', '.join(others)}. Send `{FIELD}`.")
            files = [await _content(part) for name, part in parts if name == FIELD]
            beside = [await _content(part) for name, part in parts if name == other]
    except TimeoutError as error:
        raise _too_slow(settings) from error
    except HTTPException as error:
        if error.status_code != HTTPStatus.BAD_REQUEST:
            # Too large, too slow, or no memory is left for it.
            raise
        # Starlette's parser reports a malformed body as an HTTPException.
        raise InvalidInput(f"The multipart body can't be read: {error.detail}") from error
    if not files:
        raise InvalidInput(f"No files: send pictures as multipart/form-data parts named `{FIELD}`.")
    if len(files) > settings.max_files:
        raise InvalidInput(f"{len(files)} files are over the limit of {settings.max_files}.")
    if len(beside) > 1:
        raise InvalidInput(f"Send one part `{other}`; {len(beside)} came.")
    return files, beside[0] if beside else None


async def _content(part: UploadFile | str) -> bytes:
    if isinstance(part, UploadFile):
        return await part.read()
    # Starlette decodes a part without a file name into text: as UTF-8 if it can, which fails for
    # every picture, else as Latin-1, which is reversible.
    try:
        return part.encode("latin-1")
    except UnicodeEncodeError:
        return part.encode()
