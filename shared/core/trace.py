"""Trace of the request in hand (W3C Trace Context), which travels across the services.

`span` marks a step of the work. Nothing is recorded but where a `Recorder` is installed, see
`shared/web/otel.py`.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

HEADER = "traceparent"
STATE_HEADER = "tracestate"
_FORM = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_FIRST = "00"
_SAMPLED = "01"
_LONGEST_STATE = 512

Attributes = Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class Trace:
    """Place in a trace: the span in hand, and what the first caller said of the trace."""

    trace_id: str
    span_id: str
    flags: str = _SAMPLED
    state: str = ""

    @classmethod
    def new(cls) -> "Trace":
        """Return the first place of a trace of its own."""
        return cls(_id(16), _id(8))

    @classmethod
    def read(cls, header: str, state: str = "") -> "Trace | None":
        """Return the caller's place; None where the header is not what W3C Trace Context says."""
        found = _FORM.fullmatch(header.strip())
        if found is None:
            return None
        version, trace_id, span_id, flags, rest = found.groups()
        if not (int(trace_id, 16) and int(span_id, 16)) or (version == _FIRST and rest):
            return None
        is_known = len(state) <= _LONGEST_STATE and state.isascii() and state.isprintable()
        return cls(trace_id, span_id, flags, state if is_known else "")

    def below(self) -> "Trace":
        """Return the place of a span within this one."""
        return Trace(self.trace_id, _id(8), self.flags, self.state)

    def headers(self) -> dict[str, str]:
        """Return the headers that tell another service of it."""
        flags = f"{int(self.flags, 16) & 1:02x}"
        told = {HEADER: f"{_FIRST}-{self.trace_id}-{self.span_id}-{flags}"}
        return told | ({STATE_HEADER: self.state} if self.state else {})


class Span(Protocol):
    """Step that is recorded."""

    @property
    def place(self) -> Trace: ...

    def name(self, name: str) -> None: ...

    def note(self, attributes: Attributes) -> None: ...

    def end(self, error: BaseException | str | None = None) -> None: ...


class Recorder(Protocol):
    """Records spans."""

    def start(self, name: str, parent: Trace | None, is_request: bool = False) -> Span: ...


# In the context, as the request id: the clients at the end of every layer pass it on.
_current: ContextVar[tuple[Trace, Recorder | None] | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    """Return the place in the trace of the current request, or None outside of one."""
    found = _current.get()
    return None if found is None else found[0]


@contextmanager
def at(place: Trace, recorder: Recorder | None = None) -> Iterator[None]:
    """Give the code in the block this place; its spans are recorded by `recorder`."""
    token = _current.set((place, recorder))
    try:
        yield
    finally:
        _current.reset(token)


def is_recorded() -> bool:
    """Tell whether spans of the current request are recorded."""
    found = _current.get()
    return found is not None and found[1] is not None


@contextmanager
def span(name: str, **attributes: str | int | float | bool) -> Iterator[None]:
    """Record the block as a step of the request, where anything is recorded."""
    parent, recorder = _current.get() or (None, None)
    if recorder is None:
        yield
        return
    step = recorder.start(name, parent)
    step.note(attributes)
    try:
        with at(step.place, recorder):
            yield
    except BaseException as error:
        step.end(error)
        raise
    step.end()


def _id(size: int) -> str:
    return secrets.token_hex(size)
