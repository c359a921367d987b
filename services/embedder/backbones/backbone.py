"""A convolutional network (or any other) as a source of image features."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.embedder.backbones import fingerprint
from services.embedder.preprocess import Preprocessing
from shared.errors import BadImage, ISEError, Misconfigured


class Backbone:
    """A network without its classifier: preprocessed pixels in, pooled features out.

    `module` maps normalised images (n, 3, height, width) float32 to features (n, dim) float32, not
    normalised. `pooling` says in a word how it pools. Safe to call from one thread at a time.
    """

    def __init__(
        self, architecture: str, module: nn.Module, preprocessing: Preprocessing, pooling: str
    ) -> None:
        self.architecture = architecture
        self.preprocessing = preprocessing
        self._module = module.eval().requires_grad_(False)
        # Convolutions on a CPU run faster so, and 8-bit pixels come in this order anyway.
        self._module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean = torch.tensor(preprocessing.mean).mul(255).view(1, 3, 1, 1)
        self._std = torch.tensor(preprocessing.std).mul(255).view(1, 3, 1, 1)
        self.dim = self._measure()
        self.fingerprint = fingerprint.of_backbone(
            architecture, module.state_dict(), preprocessing, pooling
        )

    def move_to(self, device: torch.device) -> None:
        """Has the network run on a device from now on."""
        self._module.to(device)
        self._mean, self._std = self._mean.to(device), self._std.to(device)

    def features(self, batch: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32] | ISEError]:
        """Pixels, each (height, width, 3) uint8 -> features, each (dim,) float32.

        An image whose features aren't finite gets a BadImage in its place. Raises MemoryError.
        """
        return [
            row
            if np.isfinite(row).all()
            else BadImage("The network gave no finite features for this image.")
            for row in self._forward(np.stack(batch))
        ]

    def _forward(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, height, width, 3) uint8 -> (n, dim) float32."""
        try:
            with torch.inference_mode():
                # As bytes: a quarter of what floats take on the way to a GPU.
                images = torch.from_numpy(pixels).to(self._mean.device).permute(0, 3, 1, 2).float()
                output: Tensor = self._module(images.sub_(self._mean).div_(self._std))
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            raise
        features: NDArray[np.float32] = output.float().cpu().numpy()
        return features

    def _measure(self) -> int:
        """The number of features, by a blank image, which warms the network up as well."""
        shape = self._forward(self.preprocessing.blank()[None]).shape
        if len(shape) != 2 or shape[0] != 1:
            raise Misconfigured(
                f"ISE_BACKBONE={self.architecture} gives no pooled features (but shape {shape}); "
                "choose a classification network."
            )
        return int(shape[1])
