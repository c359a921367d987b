"""The one place that sends errors as RFC 9457 `application/problem+json`."""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core import errors, validation
from shared.core.problem import (
    CLIENT_CLOSED_REQUEST,
    MEDIA_TYPE,
    body_of,
    body_of_status,
    headers_of,
    status_of,
)

_SENTENCES = 5
# Most errors of one request that `errors` lists.
_LISTED = 20
KIND = "ise.problem"
"""Key in a request's scope for the kind of problem that answered it."""

log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Makes every error that leaves `app` a problem document."""
    app.add_exception_handler(errors.ISEError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(OSError, _on_os_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
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
    body = body_of_status(status, detail, instance)
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def refuse(error: errors.ISEError, scope: Scope) -> JSONResponse:
    """The answer of a middleware that lets a request go no further."""
    scope[KIND] = error.slug
    return response(error, scope["path"])


def _answer(error: errors.ISEError, request: Request) -> JSONResponse:
    request.scope[KIND] = error.slug
    return response(error, request.url.path)


async def _on_error(request: Request, exc: Exception) -> JSONResponse:
    if not isinstance(exc, errors.ISEError):
        raise exc
    if (status := status_of(exc)) >= 500:
        # A large file's first play is answered so, and tried again: nothing is wrong.
        level = logging.INFO if exc.extra.get("checking") else logging.ERROR
        # Others may explain themselves; an error of our own needs its trace.
        log.log(level, "%s: %s", exc.slug, exc.detail, exc_info=exc if status == 500 else None)
    return _answer(exc, request)


async def _on_validation(request: Request, exc: Exception) -> JSONResponse:
    if not isinstance(exc, RequestValidationError):
        raise exc
    model = _model_of(request, exc)
    found, left = validation.first_sentences(exc.errors(), model, _LISTED)
    sentences = [item["message"] for item in found[:_SENTENCES]]
    if (more := len(found) + left - _SENTENCES) > 0:
        sentences.append(f"And {more:,} more like these; see `errors`.")
    detail = " ".join(sentences)
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
        # FastAPI raises this for a body that it can't parse.
        unread = errors.InvalidInput(f"The body can't be read: {_unread(exc)}")
        return _answer(unread, request)
    headers = dict(exc.headers or {})
    return plain_response(exc.status_code, str(exc.detail), request.url.path, headers)


def _unread(exc: HTTPException) -> str:
    """Return why a body can't be parsed; only those of FastAPI's reasons that people understand."""
    if isinstance(exc.__cause__, RecursionError):
        return "its JSON is nested too deeply."
    if isinstance(exc.__cause__, ValueError):
        return "its JSON has a number with too many digits, or is not text."
    return str(exc.detail)


async def _on_disconnect(request: Request, exc: Exception) -> Response:
    """Answer a client that hung up before its body was whole: no error of the service."""
    return Response(status_code=CLIENT_CLOSED_REQUEST)


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
    """Answers errors that nothing else caught.

    A handler of `Exception` would be outside of all middleware, where the request id is lost.
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
