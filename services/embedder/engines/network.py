"""A network together with the scaling of its input, so that every engine takes 8-bit pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PixelNetwork(nn.Module):
    """Maps (n, height, width, 3) uint8 to the output of `module` for normalised pixels, (n, dim)
    float32.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, module: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("mean", torch.tensor(mean).mul(255).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).mul(255).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)
        # Convolutions on a CPU are faster with channels last, which is also the order of 8-bit
        # pixels.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, pixels: Tensor) -> Tensor:
        images = pixels.permute(0, 3, 1, 2).float()
        features: Tensor = self.module(images.sub_(self.mean).div_(self.std))
        return features
