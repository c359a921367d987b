"""The size of batches at which a GPU is fastest, by measurement."""

import time
from collections.abc import Callable

import numpy as np
import torch

from services.embedder.engines.engine import Engine, Pixels

SIZES = (32, 64, 128, 256)
_GAIN = 1.03
"""Times the speed of a smaller batch from which a larger one is worth the wait for it."""
_ROUNDS = 3


def best_batch(rate: Callable[[int], float | None]) -> int:
    """Return the smallest of SIZES that no larger one clearly beats; 0 if none can be run.

    `rate`: images per second in batches of a size; None: there is no memory for them.
    """
    best, fastest = 0, 0.0
    for size in SIZES:
        found = rate(size)
        if found is None:
            break
        if found > _GAIN * fastest:
            best, fastest = size, found
    return best


def rate_of(engine: Engine, pixels: Pixels, size: int) -> float | None:
    """Measure images per second of an engine in batches of `size`, transfers included."""
    batch = np.resize(pixels, (size, *pixels.shape[1:]))
    try:
        # The first call may make room, or compile for the size.
        engine(batch)
        began = time.perf_counter()
        for _ in range(_ROUNDS):
            engine(batch)
    except torch.OutOfMemoryError:
        return None
    return _ROUNDS * size / (time.perf_counter() - began)
