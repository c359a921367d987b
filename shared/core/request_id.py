"""The id of the request in hand, which travels across the services and into every log line."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Request-ID"
# In the context: log lines of any depth, also of libraries, bear the id across every await.
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """Return the id of the current request, or None outside of one."""
    return _request_id.get()


def set_request_id(value: str | None) -> None:
    """Set the request id for work outside of a request, such as a job."""
    _request_id.set(value)


@contextmanager
def request_id(value: str) -> Iterator[None]:
    """Give the code in the block this id."""
    token = _request_id.set(value)
    try:
        yield
    finally:
        _request_id.reset(token)
