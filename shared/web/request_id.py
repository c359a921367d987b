"""A request id that travels with a request across the services and into every log line."""

import re
import uuid
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """The id of the request that this code runs for, or None outside of one."""
    return _request_id.get()


def set_request_id(value: str | None) -> None:
    """For work that goes on outside of a request, such as a job."""
    _request_id.set(value)


class RequestIdMiddleware:
    """Takes the caller's id where it is well-formed, else makes one; sends it back as a header."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(HEADER.lower().encode(), b"")
        value = given.decode() if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        token = _request_id.set(value)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (HEADER.lower().encode(), value.encode()),
                ]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            _request_id.reset(token)
