"""Plain torch: runs everywhere, and is the reference for the other engines."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from services.embedder.engines.engine import Floats, Pixels
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork

CPU = torch.device("cpu")
TYPES = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}


class EagerEngine:
    """Runs a network by torch on a CPU, `at_once` images in a pass; autocast below fp32.

    Batches are for fp32, whose features they move by less than SAME_FEATURES. bf16 rounds sums in
    another order to other numbers, so there an image's features would depend on its batch.
    """

    kind = "eager"

    def __init__(
        self,
        network: PixelNetwork,
        precision: Precision = Precision.FP32,
        at_once: int = 1,
    ) -> None:
        self.name = f"{self.kind}-{precision}"
        self.at_once = at_once
        self._type = TYPES[precision]
        self._network: Callable[[Tensor], Tensor] = network

    def __call__(self, pixels: Pixels) -> Floats:
        starts = range(0, len(pixels), self.at_once)
        return np.concatenate(
            [self._features(pixels[start : start + self.at_once]) for start in starts]
        )

    def _features(self, pixels: Pixels) -> Floats:
        batch = torch.from_numpy(pixels)
        lower = self._type is not torch.float32
        with torch.inference_mode(), torch.autocast("cpu", self._type, enabled=lower):
            features = self._network(batch)
        found: Floats = features.float().numpy()
        return found
