"""The key check, before anything of the body is read."""

import hmac
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from shared import problem
from shared.errors import Unauthorized

OPEN_PATHS = frozenset({"/health", "/ready", "/metrics", "/docs", "/openapi.json"})
OPEN_PREFIXES = ("/docs/",)


class KeyMiddleware:
    """Asks for `Authorization: Bearer <key>` on every path that isn't open.

    The comparison takes the same time whatever the key given.
    """

    def __init__(self, app: ASGIApp, key: str, open_paths: Iterable[str] = ()) -> None:
        self.app = app
        self.key = key.encode()
        self.open_paths = OPEN_PATHS | frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._allowed(scope):
            await self.app(scope, receive, send)
            return
        error = Unauthorized("Send the key of ISE_API_KEY as `Authorization: Bearer <key>`.")
        await problem.response(error, scope["path"])(scope, receive, send)

    def _allowed(self, scope: Scope) -> bool:
        path = scope["path"]
        if path in self.open_paths or path.startswith(OPEN_PREFIXES):
            return True
        given = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, key = given.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(), self.key)
