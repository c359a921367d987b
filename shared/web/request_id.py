"""Middleware that takes a request's id from its header, or makes one."""

import re
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.request_id import HEADER, request_id

_ACCEPTED = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Uses the caller's request id if it is well-formed, else generates one, and returns it in a
    header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(HEADER.lower().encode(), b"")
        value = given.decode() if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (HEADER.lower().encode(), value.encode()),
                ]
            await send(message)

        with request_id(value):
            await self.app(scope, receive, send_with_id)
