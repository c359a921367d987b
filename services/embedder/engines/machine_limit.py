"""The most images per second that a processor can give: its peak over a network's operations.

The peak is measured with a matrix product, once by each of the two libraries that torch has for
it, since neither is the fastest everywhere.
"""

import functools
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from services.embedder.engines.engine import Pixels
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork

_SIDE = 1024
_ROUNDS = 10
_TYPES = {
    Precision.BF16: torch.bfloat16,
    Precision.MIXED: torch.bfloat16,
    Precision.FP16: torch.float16,
}


def operations(network: PixelNetwork, pixels: Pixels) -> int:
    """Return the floating-point operations of one image, a multiplication and an addition each."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(pixels[:1]).to(network.mean.device))
    return int(counter.get_total_flops())


@functools.cache
def peak(precision: Precision, device: torch.device) -> float:
    """Return the operations per second of `measured_peak`, measured once a process."""
    return measured_peak(precision, device)


def measured_peak(precision: Precision, device: torch.device) -> float:
    """Measure the operations per second of a matrix product; int8 is compared with fp32."""
    kind = _TYPES.get(precision, torch.float32)
    side = _SIDE if device.type == "cpu" else 8 * _SIDE
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(side, side, generator=generator) for _ in range(2))
    left, right = left.to(device, kind), right.to(device, kind)
    ways: list[Callable[[], Tensor]] = [lambda: left @ right]
    if device.type == "cpu":
        # A convolution over single pixels is the same product, and runs by oneDNN.
        image = left.T.reshape(1, side, 32, side // 32).contiguous(
            memory_format=torch.channels_last
        )
        filters = right.reshape(side, side, 1, 1)
        ways.append(lambda: torch.nn.functional.conv2d(image, filters))
    with torch.inference_mode():
        seconds = min(_seconds(way, device) for way in ways for _ in range(_ROUNDS))
    return float(2 * side**3 / seconds)


def _seconds(work: Callable[[], Tensor], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
