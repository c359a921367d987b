"""The interface of all engines."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


class Engine(Protocol):
    """Runs one network on pixels (n, height, width, 3) and returns its features (n, dim).

    `name`: kind and precision, such as `openvino-bf16`. Used by one thread at a time.
    """

    @property
    def name(self) -> str: ...

    def __call__(self, pixels: Pixels) -> Floats: ...


class EngineUnavailable(Exception):
    """An engine can't run here, or not this network; the message says why."""
