"""Check at the start that every route of a service declares who may call it."""

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from shared.core.errors import Misconfigured
from shared.web.auth import OPEN_PATHS, OPEN_PREFIXES
from shared.web.scoped import ScopedRoute


def check_routes(app: FastAPI) -> None:
    """Raise Misconfigured for a route that declares no scope and isn't meant for everybody."""
    open_paths = OPEN_PATHS | frozenset(getattr(app.state, "open_paths", ()))
    for context in iter_route_contexts(app.routes):
        path = context.path or ""
        begin = path.partition("{")[0]
        is_open = path in open_paths or f"{path}/".startswith(OPEN_PREFIXES)
        if is_open or (begin not in ("", "/", path) and begin.startswith(_files_of(open_paths))):
            continue
        if not isinstance(context.original_route, ScopedRoute):
            raise Misconfigured(f"The route {path} declares no scope: add `@needs`.")


def _files_of(open_paths: frozenset[str]) -> tuple[str, ...]:
    """Return the folders below the root that hold open files."""
    folders = {path.rpartition("/")[0] + "/" for path in open_paths}
    return tuple(folder for folder in folders if folder != "/")
