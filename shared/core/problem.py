"""Errors as RFC 9457 problem documents, written and read; `shared/web/problem.py` sends them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from shared.core import errors
from shared.core.request_id import current_request_id

MEDIA_TYPE = "application/problem+json"
CLIENT_CLOSED_REQUEST = 499
"""The status noted for a call whose client hung up, as nginx does; nobody reads the answer."""
_TYPE_PREFIX = "urn:ise:problem:"

_STATUS: dict[type[errors.ISEError], int] = {
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.SlowBody: 408,
    errors.Behind: 412,
    errors.TooLarge: 413,
    errors.OutsideRange: 416,
    errors.Overloaded: 429,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
    errors.ISEError: 500,
    errors.Corrupt: 500,
    errors.Misconfigured: 500,
}
# If several classes share a status, the first stands for a status without a type of ours.
_BY_STATUS = {status: cls for cls, status in reversed(_STATUS.items())}


def status_of(error: errors.ISEError) -> int:
    """The HTTP status of an error: that of its nearest ancestor in the table."""
    return next(_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS)


def body_of(error: errors.ISEError, instance: str | None = None) -> dict[str, Any]:
    """An error as the members of a problem document."""
    return _body(
        status_of(error), error.slug, error.title, error.detail, instance, extra=error.extra
    )


def body_of_status(status: int, detail: str, instance: str) -> dict[str, Any]:
    """Return the problem document for a status outside the error tree, such as an unknown path or
    method.
    """
    cls = _BY_STATUS.get(status)
    title = cls.title if cls else HTTPStatus(status).phrase
    slug = cls.slug if cls else title.lower().replace(" ", "-")
    return _body(status, slug, title, detail, instance, extra={})


def from_body(status: int, body: Mapping[str, Any]) -> errors.ISEError:
    """A problem document, as a service of ours sent it, as an error of the tree."""
    slug = str(body.get("type", "")).removeprefix(_TYPE_PREFIX)
    known = {"type", "title", "status", "detail", "instance", "request_id"}
    cls = errors.tree().get(slug)
    if cls is None:
        cls = _BY_STATUS.get(status, errors.ISEError)
    detail = str(body.get("detail") or body.get("title") or f"status {status}")
    return cls(detail, **{k: v for k, v in body.items() if k not in known})


def headers_of(error: errors.ISEError) -> dict[str, str]:
    """The headers that go with an error's document."""
    headers = {}
    if "retry_after" in error.extra:
        headers["Retry-After"] = str(error.extra["retry_after"])
    if isinstance(error, errors.OutsideRange) and "bytes" in error.extra:
        headers["Content-Range"] = f"bytes */{error.extra['bytes']}"
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _body(
    status: int, slug: str, title: str, detail: str, instance: str | None, extra: dict[str, Any]
) -> dict[str, Any]:
    return {
        **extra,
        "type": _TYPE_PREFIX + slug,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": current_request_id(),
    }
