"""Routes that say which scope a key needs for them; it's looked at before a body is read."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from shared.core.errors import LacksScope
from shared.web import write_log
from shared.web.callers import caller_of
from shared.web.forms import FormRequest
from shared.web.keys import Scope

F = TypeVar("F", bound=Callable[..., Any])

SCHEME = "key"
"""Name of the authentication scheme in OpenAPI."""

_NEEDED = "__needed_scope__"


def needs(scope: Scope) -> Callable[[F], F]:
    """Declares which scope the calls of a route need; stands below `@router.<method>`."""

    def declare(endpoint: F) -> F:
        setattr(endpoint, _NEEDED, scope)
        return endpoint

    return declare


def lacking(scope: Scope) -> LacksScope:
    """Return the error for a caller whose key lacks a scope."""
    return LacksScope(
        f"This key may not be used for this: it lacks the scope `{scope}`. Use a key that has it.",
        scope=scope.value,
    )


class ScopedRoute(APIRoute):
    """A route that checks the caller's scopes, and logs changes.

    Its endpoint must declare its scope by `needs`.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self._needed: Scope = getattr(endpoint, _NEEDED)
        # Either no key or one, depending on the settings.
        security = [{}, {SCHEME: [self._needed.value]}]
        extra = {**(options.pop("openapi_extra", None) or {}), "security": security}
        super().__init__(path, endpoint, openapi_extra=extra, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def with_form(request: Request) -> Response:
            return await handle(FormRequest(request.scope, request.receive))

        return with_form

    async def handle(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        if self._needed is Scope.READ:
            self._check(scope)
            await super().handle(scope, receive, send)
            return
        with write_log.written(scope, send, self.name) as noted:
            self._check(scope)
            await super().handle(scope, receive, noted)

    def _check(self, scope: Connection) -> None:
        """Raises LacksScope."""
        if self._needed not in caller_of(scope).scopes:
            raise lacking(self._needed)
