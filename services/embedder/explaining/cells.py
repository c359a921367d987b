"""A network's features as the mean of the features of its last map's cells.

If a network averages a map and all later layers are linear, a feature is exactly the mean of the
outputs for each cell alone. Whether a network is of that kind is measured on every picture, not
inferred from its name.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.embedder.engines.engine import Pixels
from services.embedder.engines.network import PixelNetwork
from shared.core.errors import Conflict
from shared.maths.projection import Projection

_SAME = 1e-5
"""Largest distance between the mean of the cells and the features, relative to their length."""


@dataclass(frozen=True)
class Cells:
    """A picture's features (dim,), and those of its cells, (height, width, dim), float64.

    `exact`: the features are the mean of the cells'.
    """

    features: NDArray[np.float64]
    cells: NDArray[np.float64]
    exact: bool

    def placed(self, projection: Projection) -> "Cells":
        """Return the cells as an index with that transform holds them.

        It brings the features to unit length, which each cell then is a part of, and is affine, so
        the mean of the cells stays the features.
        """
        length = np.linalg.norm(self.features) or 1.0
        features, cells = (
            np.asarray(projection(numbers / length), np.float64)
            for numbers in (self.features, self.cells)
        )
        return Cells(features, cells, self.exact)


class CellNetwork:
    """A network in fp32 by torch, whatever else runs it. For one thread at a time."""

    def __init__(self, network: PixelNetwork, blank: Pixels) -> None:
        """`blank`: any input, (height, width, 3). Raises Conflict where there is no map."""
        tensors = [*network.parameters(), *network.buffers()]
        # Copy the modules, because hooks must not affect those that serve; the weights are shared.
        self._network = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
        self._device = network.mean.device
        self._last = self._find_last_map(blank)

    def cells(self, pixels: Pixels) -> Cells:
        """Splits the features of one picture, (height, width, 3). Raises Conflict."""
        with torch.inference_mode():
            features, last = self._run(pixels)
            height, width = last.shape[2:]
            alone = last.permute(0, 2, 3, 1).reshape(height * width, -1, 1, 1)
            try:
                found = self._rest(pixels, alone)
            except RuntimeError as error:
                raise _not_pooled() from error
        if found.shape != (height * width, features.shape[1]):
            raise _not_pooled()
        whole, parts = _numbers(features)[0], _numbers(found)
        off = np.linalg.norm(parts.mean(axis=0) - whole)
        exact = bool(off <= _SAME * np.linalg.norm(whole))
        return Cells(whole, parts.reshape(height, width, -1), exact)

    def gradient(self, pixels: Pixels, score: Callable[[Tensor], Tensor]) -> NDArray[np.float64]:
        """Gradient times input of a score of the features (1, dim), for each cell of the map."""
        with torch.inference_mode():
            _, last = self._run(pixels)
        last = last.clone().requires_grad_()
        with torch.enable_grad():
            # Multiply, because the next operation may write in place, which a leaf does not allow.
            features = self._rest(pixels, last * 1)
            (gradient,) = torch.autograd.grad(score(features).sum(), last)
        heat: NDArray[np.float64] = _numbers((gradient * last.detach()).sum(dim=1))[0]
        return heat

    def _run(self, pixels: Pixels) -> tuple[Tensor, Tensor]:
        """The features (1, dim), and the last map (1, channels, height, width)."""
        maps: list[Tensor] = []

        def keep(_: nn.Module, __: Any, output: Tensor) -> None:
            # Copy, because the next operation may write in place.
            maps.append(output.float().clone())

        with _hooked(self._last, keep):
            features = self._forward(pixels)
        return features, maps[-1]

    def _rest(self, pixels: Pixels, maps: Tensor) -> Tensor:
        """Apply the layers after the last map: maps (n, channels, height, width) -> (n, dim)."""
        with _hooked(self._last, lambda _, __, ___: maps):
            return self._forward(pixels)

    def _forward(self, pixels: Pixels) -> Tensor:
        batch = torch.from_numpy(np.array(pixels[None])).to(self._device)
        with torch.autocast(self._device.type, enabled=False):
            features: Tensor = self._network(batch)
        return features.float()

    def _find_last_map(self, blank: Pixels) -> nn.Module:
        """Return the module with the last map of more than one cell."""
        found: list[nn.Module] = []

        def look(module: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
                found.append(module)

        hooks = [module.register_forward_hook(look) for module in self._network.modules()]
        try:
            with torch.inference_mode():
                self._forward(blank)
        finally:
            for hook in hooks:
                hook.remove()
        if not found:
            raise _not_pooled()
        return found[-1]


@contextmanager
def _hooked(module: nn.Module, hook: Callable[..., Any]) -> Iterator[None]:
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = tensor.detach().double().cpu().numpy()
    return numbers


def _not_pooled() -> Conflict:
    return Conflict(
        "This network doesn't pool a map of cells, so its similarities can't be split over a "
        "picture. Networks that can: mini, resnet50, torchvision/mobilenet_v2 and others that end "
        "in an average pool."
    )
