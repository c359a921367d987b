"""The embedded default network: a half-width ResNet-18 with a 4x4 patch stem; its packaged weights.

Architecture after He et al., "Deep Residual Learning for Image Recognition" (2015), with half its
channels and a non-overlapping 4x4 stem in place of the 7x7 convolution and the max pool. Trained by
`training/distill.py`.
"""

from collections.abc import Mapping
from importlib import resources

import safetensors.torch
import torch
from torch import Tensor, nn

INPUT_SIZE = 128
"""Side of the network's square input in pixels."""
RESIZE_SIZE = 146
"""Short side in pixels to resize to (antialiased) before the centre crop to `INPUT_SIZE`."""
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Mean and deviation of RGB in [0, 1], as of ImageNet."""
DIM = 256
"""Width of the feature."""
WIDTHS = (32, 64, 128, 256)
"""Channels of the four stages; each but the first halves the map."""
WEIGHTS = "assets/mini.safetensors"


class ConvUnit(nn.Module):
    """A convolution and its normalisation: (B, in, h, w) -> (B, out, h / stride, w / stride)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, normed: bool) -> None:
        super().__init__()
        padding = 1 if kernel == 3 else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=not normed)
        self.norm = nn.BatchNorm2d(outputs) if normed else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        normalised: Tensor = self.norm(self.conv(maps))
        return normalised


class Block(nn.Module):
    """A basic residual block: two 3x3 units and a shortcut.

    The shortcut is projected by a 1x1 unit where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, normed: bool) -> None:
        super().__init__()
        self.first = ConvUnit(inputs, outputs, 3, stride, normed)
        self.second = ConvUnit(outputs, outputs, 3, 1, normed)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else ConvUnit(inputs, outputs, 1, stride, normed)

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.second(torch.relu(self.first(maps)))
        return torch.relu(inner + self.shortcut(maps))


class MiniNet(nn.Module):
    """Images to 256-d features, compared by cosine.

    The head is affine and comes after the average pool, so a feature is exactly the mean over the
    cells of `head(map[:, :, y, x])`: a heat map can split a similarity over the cells without
    remainder.

    `normed=False`, the form that is packaged and served, has the batch norms folded into the
    convolutions; `normed=True` is the form that trains.
    """

    def __init__(self, normed: bool = False) -> None:
        super().__init__()
        self.stem = ConvUnit(3, WIDTHS[0], 4, 4, normed)
        stages: list[nn.Module] = []
        inputs = WIDTHS[0]
        for index, outputs in enumerate(WIDTHS):
            stages.append(Block(inputs, outputs, 1 if index == 0 else 2, normed))
            stages.append(Block(outputs, outputs, 1, normed))
            inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, DIM)

    def forward_map(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) float images -> (B, 256, H / 32, W / 32), non-negative, sides rounded up.

        The images are RGB in [0, 1], less `MEAN`, over `STD`.
        """
        maps: Tensor = self.stages(torch.relu(self.stem(images)))
        return maps

    def forward_pooled(self, pooled: Tensor) -> Tensor:
        """(B, 256) channel means of a map -> (B, 256) float32 features, not normalised."""
        with torch.autocast(pooled.device.type, enabled=False):
            feature: Tensor = self.head(pooled.float())
        return feature

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) float images -> (B, 256) float32 features, not normalised."""
        return self.forward_pooled(self.forward_map(images).float().mean(dim=(2, 3)))


@torch.no_grad()
def fold_norms(trained: MiniNet) -> MiniNet:
    """The served form of a `normed=True` network: the same function as in evaluation mode."""
    state: dict[str, Tensor] = {}
    for name, unit in trained.named_modules():
        if isinstance(unit, ConvUnit) and isinstance(unit.norm, nn.BatchNorm2d):
            norm = unit.norm
            variance, mean = norm.get_buffer("running_var"), norm.get_buffer("running_mean")
            scale = norm.weight / torch.sqrt(variance + norm.eps)
            state[f"{name}.conv.weight"] = unit.conv.weight * scale[:, None, None, None]
            state[f"{name}.conv.bias"] = norm.bias - mean * scale
    state["head.weight"], state["head.bias"] = trained.head.weight, trained.head.bias
    return from_state(state)


def from_state(state: Mapping[str, Tensor]) -> MiniNet:
    """A served network, float32, from weights of any float type; a gap is an error."""
    network = MiniNet()
    network.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=True)
    return network.eval().requires_grad_(False)


def load_packaged_mini() -> MiniNet:
    """The network with the weights inside the package (float16 there, float32 here)."""
    data = resources.files("services.embedder").joinpath(WEIGHTS).read_bytes()
    return from_state(safetensors.torch.load(data))
