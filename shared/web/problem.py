"""The one place that renders errors as RFC 9457 `application/problem+json`, and reads them back."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core import errors, validation
from shared.web.request_id import current_request_id

MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:ise:problem:"
_TOLD = 5
# Errors of one request that `errors` lists, at most.
_LISTED = 20
KIND = "ise.problem"
"""Where a request's scope says which kind of problem answered it."""

_STATUS: dict[type[errors.ISEError], int] = {
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
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
# The first in the table stands for a status that comes without a type of ours.
_BY_STATUS = {status: cls for cls, status in reversed(_STATUS.items())}

log = logging.getLogger(__name__)


def status_of(error: errors.ISEError) -> int:
    """The HTTP status of an error: that of its nearest ancestor in the table."""
    return next(_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS)


def body_of(error: errors.ISEError, instance: str | None = None) -> dict[str, Any]:
    """An error as the members of a problem document."""
    return _body(
        status_of(error), error.slug, error.title, error.detail, instance, extra=error.extra
    )


def from_body(status: int, body: Mapping[str, Any]) -> errors.ISEError:
    """A problem document, as a service of ours sent it, as an error of the tree."""
    slug = str(body.get("type", "")).removeprefix(_TYPE_PREFIX)
    known = {"type", "title", "status", "detail", "instance", "request_id"}
    cls = errors.tree().get(slug)
    if cls is None:
        cls = _BY_STATUS.get(status, errors.ISEError)
    detail = str(body.get("detail") or body.get("title") or f"status {status}")
    return cls(detail, **{k: v for k, v in body.items() if k not in known})


def install(app: FastAPI) -> None:
    """Makes every error that leaves `app` a problem document."""
    app.add_exception_handler(errors.ISEError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(OSError, _on_os_error)
    app.add_middleware(_LastResort)


def response(error: errors.ISEError, instance: str | None = None) -> JSONResponse:
    """An error as the response that a client gets."""
    body = body_of(error, instance)
    return JSONResponse(body, body["status"], headers=headers_of(error), media_type=MEDIA_TYPE)


def plain_response(
    status: int, detail: str, instance: str, headers: Mapping[str, str]
) -> JSONResponse:
    """Return the problem response for a status outside the error tree, such as an unknown path or
    method.
    """
    cls = _BY_STATUS.get(status)
    title = cls.title if cls else HTTPStatus(status).phrase
    slug = cls.slug if cls else title.lower().replace(" ", "-")
    body = _body(status, slug, title, detail, instance, extra={})
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def refuse(error: errors.ISEError, scope: Scope) -> JSONResponse:
    """The answer of a middleware that lets a request go no further."""
    scope[KIND] = error.slug
    return response(error, scope["path"])


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


def _answer(error: errors.ISEError, request: Request) -> JSONResponse:
    request.scope[KIND] = error.slug
    return response(error, request.url.path)


async def _on_error(request: Request, exc: Exception) -> JSONResponse:
    if not isinstance(exc, errors.ISEError):
        raise exc
    if status_of(exc) >= 500:
        log.error("%s: %s", exc.slug, exc.detail)
    return _answer(exc, request)


async def _on_validation(request: Request, exc: Exception) -> JSONResponse:
    if not isinstance(exc, RequestValidationError):
        raise exc
    model = _model_of(request, exc)
    found, left = validation.first_sentences(exc.errors(), model, _LISTED)
    told = [item["message"] for item in found[:_TOLD]]
    if (more := len(found) + left - _TOLD) > 0:
        told.append(f"And {more:,} more like these; see `errors`.")
    detail = " ".join(told)
    return _answer(errors.InvalidInput(detail, errors=found), request)


def _model_of(request: Request, exc: RequestValidationError) -> type[BaseModel] | None:
    """The model that a request was read as, where its route takes one."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return None
    in_query = exc.errors()[0]["loc"][0] == "query"
    taken = route.dependant.query_params if in_query else route.dependant.body_params
    return validation.model_in(taken[0].field_info.annotation) if taken else None


async def _on_http(request: Request, exc: Exception) -> JSONResponse:
    if not isinstance(exc, HTTPException):
        raise exc
    if exc.status_code == 400:
        # FastAPI's word for a body that it can't parse.
        unread = errors.InvalidInput(f"The body can't be read: {_unread(exc)}")
        return _answer(unread, request)
    headers = dict(exc.headers or {})
    return plain_response(exc.status_code, str(exc.detail), request.url.path, headers)


def _unread(exc: HTTPException) -> str:
    """Why a body can't be parsed; of FastAPI's causes, those with words for people."""
    if isinstance(exc.__cause__, RecursionError):
        return "its JSON is nested too deeply."
    if isinstance(exc.__cause__, ValueError):
        return "its JSON has a number with too many digits, or is not text."
    return str(exc.detail)


async def _on_os_error(request: Request, exc: Exception) -> JSONResponse:
    if isinstance(exc, OSError) and (full := errors.full_disk(exc)) is not None:
        return _answer(full, request)
    return await _on_unexpected(request, exc)


async def _on_unexpected(request: Request, exc: Exception) -> JSONResponse:
    log.error("unexpected %s", type(exc).__name__, exc_info=exc)
    hidden = errors.ISEError(
        "Something went wrong on the server; its log has the cause under this request_id."
    )
    return _answer(hidden, request)


class _LastResort:
    """Answers what nothing else caught.

    A handler of `Exception` would stand outside of all middleware, where the request id is gone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            answer = await _on_unexpected(Request(scope), error)
            await answer(scope, receive, send)


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
