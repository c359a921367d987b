"""The interface of all engines."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


class Engine(Protocol):
    """Runs one network on pixels (n, height, width, 3) and gives its features (n, dim).

    `name` tells the kind and the precision, like `openvino-bf16`. Called from one thread at a time.
    """

    @property
    def name(self) -> str: ...

    def __call__(self, pixels: Pixels) -> Floats: ...


class EngineUnavailable(Exception):
    """An engine can't run here, or not this network; the message says why."""
