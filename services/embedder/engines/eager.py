"""Plain torch: runs everywhere, and is the reference for the other engines."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from services.embedder.engines.engine import Floats, Pixels
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork

CPU = torch.device("cpu")
_TYPES = {
    Precision.FP32: torch.float32,
    Precision.BF16: torch.bfloat16,
    Precision.FP16: torch.float16,
}


class EagerEngine:
    """Runs a network by torch on a device, which the network is moved to; autocast below fp32.

    On a CPU image by image, so that no image's features depend on its batch: sums come out in
    another order there. ResNet50 is no slower for it.
    """

    kind = "eager"

    def __init__(
        self,
        network: PixelNetwork,
        precision: Precision = Precision.FP32,
        device: torch.device = CPU,
    ) -> None:
        self.name = f"{self.kind}-{precision}"
        self._device = device
        self._type = _TYPES[precision]
        self._network: Callable[[Tensor], Tensor] = network.to(device)

    def __call__(self, pixels: Pixels) -> Floats:
        if self._device.type == "cpu":
            rows = range(len(pixels))
            return np.concatenate([self._features(pixels[row : row + 1]) for row in rows])
        return self._features(pixels)

    def _features(self, pixels: Pixels) -> Floats:
        # Copy bytes to the GPU: a quarter of the size of floats.
        batch = torch.from_numpy(pixels)
        if self._device.type == "cuda":
            batch = batch.pin_memory().to(self._device, non_blocking=True)
        lower = self._type is not torch.float32
        with torch.inference_mode(), torch.autocast(self._device.type, self._type, enabled=lower):
            features = self._network(batch)
        found: Floats = features.float().cpu().numpy()
        return found
