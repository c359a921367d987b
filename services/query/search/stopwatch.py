"""Times of an answer's stages."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.core.trace import span


class Stopwatch:
    """Adds up the time spent in each stage, in milliseconds; a trace has each as a span."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            with span(stage):
                yield
        finally:
            spent = 1000 * (time.perf_counter() - started)
            self._spent[stage] = self._spent.get(stage, 0.0) + spent

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage, and `total` since the watch was made."""
        total = 1000 * (time.perf_counter() - self._started)
        return {k: round(v, 3) for k, v in {**self._spent, "total": total}.items()}
