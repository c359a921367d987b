"""Refusal of calls that nobody has room for, before anything else is done with them.

Under more load than a service can bear, most calls are refused, and what each refusal costs is
taken from those that are answered. So this is the outermost middleware: it looks at what the call's
route declares, and where no place or memory is free it answers at once. Whoever gets past it is
admitted, or refused, by the route.

A caller that was refused, and calls again on its connection before the time that it was told, isn't
refused at once: the call waits for room or for that time, whichever comes first, while nothing of
its body is read. So clients that don't heed `Retry-After` cost next to nothing.
"""

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.core import deadline
from shared.core import problem as problems
from shared.core.budget import MIB
from shared.core.errors import ISEError, Overloaded
from shared.core.request_id import HEADER, request_id
from shared.web.admission import Admission, Gates
from shared.web.body import announced
from shared.web.callers import Caller
from shared.web.connections import REFUSED, Told
from shared.web.headers import DEFAULTS
from shared.web.metrics import Metrics
from shared.web.priority import is_bulk
from shared.web.scoped import ScopedRoute

_DRAINED = 2 * MIB
"""Bytes of a refused body that are discarded: this costs less than another connection."""
_MOST_HELD = 64
"""Calls that wait at once; of each, up to some hundred KiB have arrived."""
_LOOK_S = 0.05
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FIXED = [(name.lower().encode(), value.encode()) for name, value in DEFAULTS.items()]
_FIXED.append((b"content-type", problems.MEDIA_TYPE.encode()))

log = logging.getLogger(__name__)

Routes = dict[tuple[str, str], Admission]


class EarlyRefusalMiddleware:
    """Answers 429 to calls that no place or memory is free for.

    `identify` says who calls: a caller without rights isn't refused here, but told so elsewhere.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, identify: Callable[[Scope], Caller]) -> None:
        self.app = app
        self._metrics = metrics
        self._identify = identify
        self._routes: Routes | None = None
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._routes is None:
                self._routes = _routes(scope["app"])
            admission = self._routes.get((scope["method"], scope["path"]))
            if (
                admission is not None
                and (error := self._refusal(admission, scope)) is not None
                and await self._waits_in_vain(admission, scope)
            ):
                await self._refuse(error, scope, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, admission: Admission, scope: Scope) -> Overloaded | None:
        if self._has_room(admission, scope):
            return None
        gates: Gates = scope["app"].state.gates
        headers = Headers(scope=scope)
        caller = self._identify(scope)
        if not caller.scopes:
            return None
        try:
            gates.check(admission, headers, caller.name)
        except Overloaded as error:
            return error
        except ISEError:
            # Too large: the route, or the limit of all bodies, tells why.
            return None
        return None

    async def _waits_in_vain(self, admission: Admission, scope: Scope) -> bool:
        """Hold a call that comes earlier than its caller was told; return False once there is
        room for it.
        """
        told: Told | None = scope.get(REFUSED)
        until = 0.0 if told is None else told.until(self._identify(scope).name)
        left = deadline.remaining()
        if left is not None:
            until = min(until, time.monotonic() + left / 2)
        if time.monotonic() >= until or self._held >= _MOST_HELD:
            return True
        self._held += 1
        try:
            while time.monotonic() < until:
                await asyncio.sleep(_LOOK_S)
                if self._has_room(admission, scope):
                    return False
        finally:
            self._held -= 1
        return True

    def _has_room(self, admission: Admission, scope: Scope) -> bool:
        gates: Gates = scope["app"].state.gates
        headers = Headers(scope=scope)
        return gates.has_room(admission, announced(headers) or 0, _is_bulk(headers))

    async def _refuse(self, error: Overloaded, scope: Scope, send: Send) -> None:
        headers = Headers(scope=scope)
        given = headers.get(HEADER, "")
        told = given if _ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        with request_id(told):
            document = problems.body_of(error, scope["path"])
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        answered = [
            *_FIXED,
            (b"content-length", str(len(body)).encode()),
            (HEADER.lower().encode(), told.encode()),
            *((k.lower().encode(), v.encode()) for k, v in problems.headers_of(error).items()),
        ]
        size = announced(headers)
        if "transfer-encoding" in headers or "expect" in headers or (size or 0) > _DRAINED:
            # The rest isn't worth reading.
            answered.append((b"connection", b"close"))
        connection: Told | None = scope.get(REFUSED)
        if connection is not None:
            until = time.monotonic() + float(error.extra.get("retry_after") or 0)
            connection.note(self._identify(scope).name, until)
        status = document["status"]
        m = self._metrics
        m.requests.labels(m.service, scope["method"], scope["path"], str(status)).inc()
        m.problems.labels(m.service, error.slug).inc()
        log.debug("%s %s %d: %s", scope["method"], scope["path"], status, error.detail)
        await send({"type": "http.response.start", "status": status, "headers": answered})
        await send({"type": "http.response.body", "body": body})


def _is_bulk(headers: Headers) -> bool:
    priority = headers.get("priority")
    return priority is not None and is_bulk(priority)


def _routes(app: FastAPI) -> Routes:
    """Return the admission of each route that takes places and has no parameters in its path."""
    found: Routes = {}
    for context in iter_route_contexts(app.routes):
        route, path = context.original_route, context.path or ""
        if isinstance(route, ScopedRoute) and route.admission.places and "{" not in path:
            found |= {(method, path): route.admission for method in route.methods or ()}
    return found
