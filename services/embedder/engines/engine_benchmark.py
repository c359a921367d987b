"""Benchmark of several engines on this machine."""

import logging
import time
from collections.abc import Sequence

import torch

from services.embedder.engines import machine_limit
from services.embedder.engines.engine import Engine, Pixels
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.speed import Speed

log = logging.getLogger(__name__)

_ROUNDS = 5
_ROUNDS_ALONE = 2
_SECONDS = 5.0


def images_per_second(engines: Sequence[Engine], pixels: Pixels) -> dict[str, float]:
    """Return each engine's best rate over some rounds in which they take turns, by name."""
    best = {engine.name: 0.0 for engine in engines}
    end = time.perf_counter() + _SECONDS
    # Without a race fewer do: others may be waiting for answers meanwhile.
    for _ in range(_ROUNDS if len(engines) > 1 else _ROUNDS_ALONE):
        for engine in engines:
            started = time.perf_counter()
            engine(pixels)
            rate = len(pixels) / (time.perf_counter() - started)
            best[engine.name] = max(best[engine.name], rate)
        if time.perf_counter() > end:
            break
    return best


def speed_of(
    engine: Engine, rate: float, network: PixelNetwork, pixels: Pixels, device: torch.device
) -> Speed | None:
    """Return an engine's measured rate beside the machine's limit, if that can be measured."""
    try:
        precision = Precision(engine.name.partition("-")[2])
        work = machine_limit.operations(network, pixels)
        return Speed(rate, machine_limit.peak(precision, device) / work)
    except (ArithmeticError, NotImplementedError, RuntimeError, ValueError) as error:
        log.info("the machine's limit for %s can't be measured (%s)", engine.name, error)
        return None
