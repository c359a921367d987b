"""Adds the published version to each answer, so that a client can wait for its write."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.core.errors import Corrupt
from shared.snapshots.version import HEADER, Version


class VersionMiddleware:
    """Adds the header to answers below `/v1`."""

    def __init__(self, app: ASGIApp, version: Callable[[], Version]) -> None:
        self.app = app
        self.version = version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return

        async def send_with_version(message: Message) -> None:
            # Read it when the answer begins: by then, everything it mentions is published.
            if message["type"] == "http.response.start" and message["status"] < 400:
                headers = await run_in_threadpool(self._header)
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self.app(scope, receive, send_with_version)

    def _header(self) -> list[tuple[bytes, bytes]]:
        try:
            return [(HEADER.lower().encode(), str(self.version()).encode())]
        except (Corrupt, OSError):
            # Damage is reported elsewhere, and must not fail a request that has succeeded.
            return []
