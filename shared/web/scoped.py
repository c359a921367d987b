"""Routes that say which scope a key needs and how a call is admitted, before a body is read."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import params
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Connection

from shared.core.errors import LacksScope, Misconfigured
from shared.web import guards, write_log
from shared.web.admission import QUICK, Admission, Gates, admission_of
from shared.web.callers import caller_of
from shared.web.forms import BoundedRequest
from shared.web.keys import Scope

F = TypeVar("F", bound=Callable[..., Any])

SCHEME = "key"
"""Name of the authentication scheme in OpenAPI."""

_NEEDED = "__needed_scope__"
_BODY = "__body_model__"
_JSON = b"application/json"
_BODILESS = frozenset({"GET", "HEAD", "DELETE"})


def needs(scope: Scope) -> Callable[[F], F]:
    """Declares which scope the calls of a route need; stands below `@router.<method>`."""

    def declare(endpoint: F) -> F:
        setattr(endpoint, _NEEDED, scope)
        return endpoint

    return declare


def receives(model: type[BaseModel]) -> Callable[[F], F]:
    """Declare that an endpoint takes `request` and a JSON `body` of a model, and nothing else.

    A valid body then goes to it directly, which takes a third of the time that FastAPI's resolution
    of parameters takes; FastAPI answers all others. Stands below `@needs`.
    """

    def declare(endpoint: F) -> F:
        setattr(endpoint, _BODY, model)
        return endpoint

    return declare


def operation_name(route: APIRoute) -> str:
    """Name an operation after its function, so that generated clients read well."""
    return route.name


def lacking(scope: Scope) -> LacksScope:
    """Return the error for a caller whose key lacks a scope."""
    return LacksScope(
        f"This key may not be used for this: it lacks the scope `{scope}`. Use a key that has it.",
        scope=scope.value,
    )


class ScopedRoute(APIRoute):
    """A route that checks the caller's scopes, admits calls, and logs changes.

    Its endpoint must declare its scope by `needs`, and if it takes a body, its admission by
    `admits`; else it raises Misconfigured, so that the service doesn't start.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        needed: Scope | None = getattr(endpoint, _NEEDED, None)
        if needed is None:
            raise Misconfigured(f"The route {path} declares no scope: add `@needs`.")
        self._needed = needed
        # Either no key or one, depending on the settings.
        security = [{}, {SCHEME: [self._needed.value]}]
        extra = {**(options.pop("openapi_extra", None) or {}), "security": security}
        super().__init__(path, endpoint, openapi_extra=extra, **options)
        admission = admission_of(endpoint)
        if admission is None and not (self.methods or set()) <= _BODILESS:
            raise Misconfigured(f"The route {path} declares no admission: add `@admits`.")
        self.admission: Admission = admission or QUICK
        self._body: type[BaseModel] | None = getattr(endpoint, _BODY, None)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        model = self._body_model()

        async def with_form(request: Request) -> Response:
            return await handle(BoundedRequest(request.scope, request.receive, model))

        return with_form

    def _body_model(self) -> type[BaseModel] | None:
        """Return the model of a body of JSON, where the route takes one."""
        taken = self.dependant.body_params
        if len(taken) != 1 or isinstance(taken[0].field_info, params.Form):
            return None
        kind = taken[0].field_info.annotation
        return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None

    async def handle(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        guards.check(scope)
        if self._needed is Scope.READ:
            await self._admitted(scope, receive, send)
            return
        with write_log.written(scope, send, self.name) as noted:
            await self._admitted(scope, receive, noted)

    async def _admitted(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Raises LacksScope, TooLarge, Overloaded."""
        if self._needed not in caller_of(scope).scopes:
            raise lacking(self._needed)
        gates: Gates = scope["app"].state.gates
        with gates.enter(self.admission, scope) as receiving:
            bounded = receiving(receive)
            if self._body is not None and _is_json(scope):
                await self._directly(self._body, scope, bounded, send)
            else:
                await super().handle(scope, bounded, send)

    async def _directly(
        self, model: type[BaseModel], scope: Connection, receive: Receive, send: Send
    ) -> None:
        """Call the endpoint with a valid body; let FastAPI say what is wrong with any other."""
        request = BoundedRequest(scope, receive, model)
        text = await request.body()
        try:
            # As FastAPI validates bodies.
            body = model.__pydantic_validator__.validate_python(
                await request.json(), from_attributes=True
            )
        except (RecursionError, ValueError):
            # No JSON, a number of too many digits, no text, or not valid.
            await super().handle(scope, _again(text, receive), send)
            return
        # It may hold pictures, and an answer takes a while.
        del text
        response: Response = await self.endpoint(request=request, body=body)
        await response(scope, receive, send)


def _is_json(scope: Connection) -> bool:
    given = [value for name, value in scope["headers"] if name == b"content-type"]
    return given == [_JSON]


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read before."""
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
