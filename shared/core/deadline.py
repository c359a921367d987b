"""Deadline of the current request, passed on to everything that it waits for."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "Prefer"
"""Header that passes the seconds on to another service: `wait=<seconds>` of RFC 7240."""
_until: ContextVar[float | None] = ContextVar("until", default=None)


def remaining() -> float | None:
    """Return the seconds left, at least 0; None without a deadline."""
    until = _until.get()
    return None if until is None else max(0.0, until - time.monotonic())


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Limit the seconds left during the block; never extends an earlier deadline."""
    times = [one for one in (seconds, remaining()) if one is not None]
    token = _until.set(time.monotonic() + min(times) if times else None)
    try:
        yield
    finally:
        _until.reset(token)


def preference(seconds: float) -> str:
    """Return the header's value; whole seconds, so rounded up."""
    return f"wait={math.ceil(seconds)}"
