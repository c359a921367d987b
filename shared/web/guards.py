"""Guards of the API: middleware that every call of a route must have passed.

Rights are granted, never assumed: if a guard is missing, a route answers nothing but an error.
"""

import logging
from typing import Any

from starlette.types import Scope

from shared.core.errors import ISEError

log = logging.getLogger(__name__)

_PASSED = "ise.passed"
_UNGUARDED = (
    "This service lacks a part of its access checks, so it answers nothing. Its log names it."
)


def passed(scope: Scope, guard: type[Any]) -> None:
    """Note that a call passed a guard."""
    scope.setdefault(_PASSED, set()).add(guard.__name__)


def check(scope: Scope) -> None:
    """Raise an ISEError unless the call passed every guard of its app."""
    required: frozenset[str] | None = getattr(scope["app"].state, "guards", None)
    missing = {"guards"} if required is None else required - scope.get(_PASSED, set())
    if missing:
        log.error("calls don't pass %s", ", ".join(sorted(missing)))
        raise ISEError(_UNGUARDED)
