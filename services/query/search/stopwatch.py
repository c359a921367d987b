"""Times of an answer's stages."""

import time
from contextlib import AbstractContextManager
from types import TracebackType

from shared.core.trace import is_recorded, span


class Stopwatch:
    """Adds up the time spent in each stage, in milliseconds; a trace has each as a span."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._spent: dict[str, float] = {}

    def __call__(self, stage: str) -> "_Stage":
        return _Stage(self._spent, stage)

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage, and `total` since the watch was made."""
        total = 1000 * (time.perf_counter() - self._started)
        return {k: round(v, 3) for k, v in {**self._spent, "total": total}.items()}


class _Stage:
    """One stage while it lasts. A class, because a generator would take as long as short stages."""

    __slots__ = ("_name", "_span", "_spent", "_started")

    def __init__(self, spent: dict[str, float], name: str) -> None:
        self._spent = spent
        self._name = name
        self._span: AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        self._started = time.perf_counter()
        if is_recorded():
            self._span = span(self._name)
            self._span.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._span is not None:
            self._span.__exit__(kind, error, traceback)
        spent = 1000 * (time.perf_counter() - self._started)
        self._spent[self._name] = self._spent.get(self._name, 0.0) + spent
