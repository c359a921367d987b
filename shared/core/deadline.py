"""Until when somebody waits for the work in hand, so that nothing is waited for any longer."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

HEADER = "Prefer"
"""Names the seconds to a service that is asked: `wait=<seconds>` of RFC 7240."""
# In the context: it goes from a request's header through every layer to the clients at the end, and
# none of the layers between has a use for it.
_until: ContextVar[float | None] = ContextVar("until", default=None)


def remaining() -> float | None:
    """Seconds that are left, at least 0; None where nobody said."""
    until = _until.get()
    return None if until is None else max(0.0, until - time.monotonic())


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """In the block at most so many seconds are left, and never more than before."""
    times = [one for one in (seconds, remaining()) if one is not None]
    token = _set(min(times, default=None))
    try:
        yield
    finally:
        _until.reset(token)


@contextmanager
def anew(seconds: float | None) -> Iterator[None]:
    """In the block so many seconds are left, however many were before.

    For each part of a stream, which may go on for longer than one answer may take.
    """
    token = _set(seconds)
    try:
        yield
    finally:
        _until.reset(token)


def _set(seconds: float | None) -> Token[float | None]:
    return _until.set(None if seconds is None else time.monotonic() + seconds)


def preference(seconds: float) -> str:
    """Return the header's value; whole seconds, so rounded up."""
    return f"wait={math.ceil(seconds)}"
