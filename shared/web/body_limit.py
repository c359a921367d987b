"""The limit on a body: by its `Content-Length` before any of it is read, else while it comes in.

FastAPI's own limit answers in plain text.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.errors import TooLarge
from shared.web import problem


class BodyLimitMiddleware:
    """Refuses bodies of more than `max_bytes`."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self._refusal = f"The body is over the limit of {max_bytes} bytes (ISE_MAX_BODY_BYTES)."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self.max_bytes:
            await problem.refuse(TooLarge(self._refusal), scope)(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                # Not an ISEError: while a body is read, FastAPI turns any other error into a 400.
                raise HTTPException(413, self._refusal)
            return message

        await self.app(scope, receive_within_limit, send)
