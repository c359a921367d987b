"""What FastAPI derives from a route, derived once for all apps of the tests' process.

It derives it anew for each app, which is a third of what a service's start takes in a process that
has it imported. It depends on the route and on how its router is included, on nothing of the app.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import routing


@contextmanager
def derived_once() -> Iterator[None]:
    """Has FastAPI reuse a route's context in apps that include it alike."""
    # The route stays alive with its context, so that no other one gets its number.
    known: dict[tuple[object, ...], tuple[Any, Any]] = {}
    derive = routing._EffectiveRouteContext.from_api_route

    def from_api_route(*, original_route: Any, include_context: Any) -> Any:
        key = (
            id(original_route),
            include_context.path_for(original_route),
            *(str(tag) for tag in include_context.tags),
            *(id(one.dependency) for one in include_context.dependencies),
            *(str(status) for status in include_context.responses),
            include_context.max_body_size,
        )
        if key not in known:
            found = derive(original_route=original_route, include_context=include_context)
            known[key] = (original_route, found)
        return known[key][1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            routing._EffectiveRouteContext, "from_api_route", staticmethod(from_api_route)
        )
        yield
