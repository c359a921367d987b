"""How a picture's bytes are sent, and how the OpenAPI tells of them."""

from typing import Any

# They come from outside, so a browser must run nothing of them.
FENCED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
}

_BYTES = {"schema": {"type": "string", "format": "binary"}}
OCTETS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": _BYTES}}}
IMAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/*": _BYTES}}}
TAR: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-tar": _BYTES}}}
PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": _BYTES}}}
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": _BYTES}}}
