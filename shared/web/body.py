"""A request's body as it arrives: its limit, its pace, and the end of one that nobody reads."""

import asyncio
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.budget import Pace
from shared.core.errors import TooLarge
from shared.web import problem
from shared.web.guards import passed

LEAST_RATE = 32 * 1024
"""Bytes per second that a sender must reach on average, after the grace."""
GRACE_S = 10.0
UNREAD = 64 * 1024
"""Bytes of a body up to which the rest is discarded, so that the connection can be used again."""

TOO_SLOW = (
    f"The body arrives at less than {LEAST_RATE // 1024} KiB per second. Send it again, or send "
    "less at a time."
)


class BodyMiddleware:
    """Refuses bodies of more than `max_bytes`, or slower than the least rate or `seconds`.

    By the announced length before any of it is read, else while it arrives. If an answer begins
    before a large body was read, the connection is closed after it.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, seconds: float = 600.0, grace_s: float = GRACE_S
    ) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.seconds = seconds
        self.grace_s = grace_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        passed(scope, type(self))
        body = _Arriving(self, scope, receive, send)
        if body.announced is not None and body.announced > self.max_bytes:
            answer = problem.refuse(TooLarge(too_large(self.max_bytes)), scope)
            await answer(scope, receive, body.send)
            return
        await self.app(scope, body.receive, body.send)


class _Arriving:
    def __init__(self, limits: BodyMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self.announced = announced(headers)
        self._is_chunked = "transfer-encoding" in headers
        self._expects = headers.get("expect", "").lower() == "100-continue"
        self._limits = limits
        self._pace = Pace(limits.seconds, LEAST_RATE, limits.grace_s)
        self._receive = receive
        self._send = send
        self._is_whole = not self._is_chunked and not self.announced

    async def receive(self) -> Message:
        if self._is_whole:
            # Only a disconnect can come, which has no deadline.
            return await self._receive()
        try:
            with self._pace.waiting():
                async with asyncio.timeout(self._pace.left):
                    message = await self._receive()
        except TimeoutError:
            # Not an ISEError: while a body is read, FastAPI turns any other error into a 400.
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, self._too_slow()) from None
        self._pace.received += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._pace.received > self._limits.max_bytes:
            raise HTTPException(413, too_large(self._limits.max_bytes))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._leaves_much():
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await self._send(message)

    def _leaves_much(self) -> bool:
        """Return whether so much of the body is unread that the connection is closed."""
        if self._is_whole:
            return False
        if self._is_chunked or self._expects or self.announced is None:
            return True
        return self.announced - self._pace.received > UNREAD

    def _too_slow(self) -> str:
        if self._pace.waited >= self._limits.seconds:
            return f"The body took over {self._limits.seconds:g} seconds (ISE_BODY_SECONDS)."
        return TOO_SLOW


def announced(headers: Headers) -> int | None:
    """Return the announced length of a body, or None."""
    text = headers.get("content-length", "")
    return int(text) if text.isdecimal() else None


def too_large(most: int) -> str:
    """Return the sentence for a body over the limit of a service."""
    return f"The body is over the limit of {most} bytes (ISE_MAX_BODY_BYTES)."
