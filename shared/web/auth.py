"""The key check, before anything of the body is read."""

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.core.errors import Unauthorized
from shared.web import problem
from shared.web.callers import Caller, address_of, caller_of, remember
from shared.web.file_cookie import caller_by_cookie
from shared.web.guards import passed
from shared.web.keys import ALL, KeyRing

OPEN_PATHS = frozenset(
    {"/health", "/ready", "/metrics", "/docs", "/docs/start.js", "/openapi.json"}
)
OPEN_PREFIXES = ("/docs/static/",)

NO_KEY_SENT = (
    "Send a key as `Authorization: Bearer <key>`: ISE_API_KEY, or a key from ISE_API_KEYS_FILE."
)


class CallerMiddleware:
    """Identifies the caller by the key; refuses nobody."""

    def __init__(self, app: ASGIApp, keys: KeyRing) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            passed(scope, type(self))
            remember(scope, identified(scope, self.keys))
        await self.app(scope, receive, send)


def identified(scope: Scope, keys: KeyRing) -> Caller:
    """Return the caller of a request by its key, or by a cookie for one file; one without rights if
    it has none.
    """
    address = address_of(scope)
    if keys.is_empty:
        return Caller(None, ALL, address)
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if not given and (found := caller_by_cookie(scope, keys)) is not None:
        return found
    # With two headers, another service might read the other one.
    scheme, _, secret = (given[0] if len(given) == 1 else b"").partition(b" ")
    key = keys.find(secret.strip()) if scheme.lower() == b"bearer" else None
    return Caller(key.label, key.scopes, address) if key else Caller(None, frozenset(), address)


class KeyMiddleware:
    """Requires `Authorization: Bearer <key>` on every path that isn't open.

    The route checks the scopes of the key, see `shared/web/scoped.py`.
    """

    def __init__(self, app: ASGIApp, open_paths: Iterable[str] = ()) -> None:
        self.app = app
        self.open_paths = OPEN_PATHS | frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or caller_of(scope).scopes or self._is_open(scope["path"]):
            passed(scope, type(self))
            await self.app(scope, receive, send)
            return
        await problem.refuse(Unauthorized(NO_KEY_SENT), scope)(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in self.open_paths or path.startswith(OPEN_PREFIXES)
