"""Middleware that reads how long a caller waits: `Prefer: wait=<seconds>` of RFC 7240."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.core import deadline

_WAIT = re.compile(rb"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=[,;]|$)", re.IGNORECASE)


class PatienceMiddleware:
    """Sets the deadline of a request: as its caller says, and `seconds` at most."""

    def __init__(self, app: ASGIApp, seconds: float | None = None) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = (_WAIT.search(value) for name, value in scope["headers"] if name == b"prefer")
        times = [float(found[1]) for found in asked if found]
        times += [] if self.seconds is None else [self.seconds]
        with deadline.within(min(times, default=None)):
            await self.app(scope, receive, send)
