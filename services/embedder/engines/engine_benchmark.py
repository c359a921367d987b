"""Benchmark of several engines on this machine."""

import time
from collections.abc import Sequence

from services.embedder.engines.engine import Engine, Pixels

_ROUNDS = 5
_SECONDS = 5.0


def images_per_second(engines: Sequence[Engine], pixels: Pixels) -> dict[str, float]:
    """Return each engine's best rate over some rounds in which they take turns, by name."""
    best = {engine.name: 0.0 for engine in engines}
    end = time.perf_counter() + _SECONDS
    for _ in range(_ROUNDS):
        for engine in engines:
            started = time.perf_counter()
            engine(pixels)
            rate = len(pixels) / (time.perf_counter() - started)
            best[engine.name] = max(best[engine.name], rate)
        if time.perf_counter() > end:
            break
    return best
