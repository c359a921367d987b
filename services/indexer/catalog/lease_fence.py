"""Fence that keeps a worker from writing after its work was given to another one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlalchemy import Connection

Check = Callable[[Connection], None]
"""Raises LeaseLost; otherwise the lease can't change until the transaction ends."""

# In the context: whatever a job writes must pass, however deep, and the same tables serve requests
# that hold no lease. A writer that had to be handed the fence could forget it.
_check: ContextVar[Check | None] = ContextVar("fence", default=None)


class LeaseLost(Exception):
    """Another worker has taken over the work of this one."""


@contextmanager
def fenced(check: Check) -> Iterator[None]:
    """Whatever the block changes passes `check` first, in the same transaction."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def cross(db: Connection) -> None:
    """Check the lease; called before a change. Raises LeaseLost."""
    check = _check.get()
    if check is not None:
        check(db)


def is_up() -> bool:
    """Return whether the current work belongs to a job that may be given to another worker."""
    return _check.get() is not None
