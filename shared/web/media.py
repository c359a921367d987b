"""Sending a picture's bytes, and their description in OpenAPI."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Query

from shared.contracts.annotations import MAX_URI

# Files come from outside, so a browser must not run anything in them.
FENCED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
    # A cached answer must not serve callers with another key, or none.
    "Vary": "Authorization",
}

FileUri = Annotated[
    str | None,
    Query(
        max_length=MAX_URI,
        description="Which file of an image with several: one of its `uris`. By default the one "
        "that is shown.",
    ),
]

_UNSAFE = re.compile(r"[^ !#-\[\]-~]|[%;/]")
_LONGEST_NAME = 255


def validators(etag: str, modified: datetime | None = None) -> dict[str, str]:
    """Return the headers by which a client asks again for bytes that it has, or for a part."""
    headers = {"ETag": etag, "Accept-Ranges": "bytes"}
    if modified is not None:
        headers["Last-Modified"] = format_datetime(modified, usegmt=True)
    return headers


def disposition(name: str) -> str:
    """Return a `Content-Disposition` that shows a picture, and saves it under its name (RFC 6266).

    `name` may contain any characters; those that a file system or a header can't hold are omitted.
    """
    plain = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable())
    plain = plain.encode(errors="ignore").decode()[-_LONGEST_NAME:].strip(" .") or "picture"
    ascii_form = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    fallback = _UNSAFE.sub("_", ascii_form).strip() or "picture"
    if fallback == plain:
        return f'inline; filename="{plain}"'
    return f"inline; filename=\"{fallback}\"; filename*=UTF-8''{quote(plain, safe='')}"


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of another service's answer that are those of a picture's bytes."""
    return {name: headers[name] for name in _OF_BYTES if name in headers}


_OF_BYTES = (
    "ETag",
    "Last-Modified",
    "Accept-Ranges",
    "Content-Range",
    "Content-Length",
    "Content-Disposition",
)

_BYTES = {"schema": {"type": "string", "format": "binary"}}
OCTETS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": _BYTES}}}
MANNERS: dict[int | str, dict[str, Any]] = {
    206: {"description": "The requested range."},
    304: {"description": "Unchanged, by `If-None-Match` or `If-Modified-Since`."},
}
IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": _BYTES, "video/*": _BYTES}},
    **MANNERS,
}
TAR: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-tar": _BYTES}}}
ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": _BYTES}}}
PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": _BYTES}}}
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": _BYTES}}, **MANNERS}
