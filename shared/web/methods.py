"""Answers methods that a path doesn't support by 405, with the supported ones.

The router accepts any route that matches path and method. Because ids may contain slashes, the
route that changes an image would match `PATCH /v1/images/a/file`, and `Allow` would name one method
only.
"""

import re

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.web import problem

Paths = list[tuple[re.Pattern[str], set[str]]]


class MethodMiddleware:
    """The first route that matches a path decides; its `Allow` lists the methods of all routes of
    that path.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._paths: Paths | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._paths is None:
                # Read on the first request, because routes are added after middleware.
                self._paths = _paths_of(scope["app"])
            allowed = self._allowed(scope["path"])
            if allowed and scope["method"] not in allowed:
                methods = ", ".join(sorted(allowed))
                answer = problem.plain_response(
                    405, f"This path takes {methods}.", scope["path"], {"Allow": methods}
                )
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _allowed(self, path: str) -> set[str]:
        """Empty where no route fits."""
        found = (methods for pattern, methods in self._paths or () if pattern.match(path))
        return next(found, set())


def _paths_of(app: FastAPI) -> Paths:
    paths: dict[str, set[str]] = {}
    for route in iter_route_contexts(app.routes):
        if route.path is not None and route.methods:
            taken = paths.setdefault(route.path, set())
            taken.update(route.methods)
            if "GET" in taken:
                # `conditional.py` answers HEAD for every route.
                taken.add("HEAD")
    return [(compile_path(path)[0], methods) for path, methods in paths.items()]
