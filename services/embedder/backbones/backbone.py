"""A convolutional network (or any other) as a source of image features."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from services.embedder import fingerprint
from services.embedder.engines.choice import Chooser, EngineOptions
from services.embedder.engines.eager import EagerEngine
from services.embedder.engines.engine import Engine
from services.embedder.engines.network import PixelNetwork
from services.embedder.preprocess import Preprocessing
from shared.core.errors import BadImage, ISEError, Misconfigured
from shared.labels.head import LabelHead


class Backbone:
    """A network without its classifier: preprocessed pixels in, pooled features out.

    `module` maps normalised images (n, 3, height, width) float32 to features (n, dim) float32, not
    normalised. `pooling` says in a word how it pools. It runs by torch in fp32 until it is told
    otherwise. Safe to call from one thread at a time. `head`: the classifier over named classes
    that the weights bring, if they do; it is no part of the fingerprint.
    """

    def __init__(
        self,
        architecture: str,
        module: nn.Module,
        preprocessing: Preprocessing,
        pooling: str,
        head: LabelHead | None = None,
    ) -> None:
        self.architecture = architecture
        self.preprocessing = preprocessing
        self.head = head
        self.network = PixelNetwork(module, preprocessing.mean, preprocessing.std)
        self._engine: Engine = EagerEngine(self.network)
        self.dim = self._measure()
        self.fingerprint = fingerprint.of_backbone(
            architecture, module.state_dict(), preprocessing, pooling
        )

    @property
    def engine(self) -> str:
        """The engine that runs the network, with its precision."""
        return self._engine.name

    def run_by(self, options: EngineOptions) -> None:
        """Choose the engine: the configured one, or the fastest."""
        size = self.preprocessing.crop
        self._engine = Chooser(self.network, size, self.fingerprint, options).choose()

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
            return self._engine(pixels)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            raise

    def _measure(self) -> int:
        """The number of features, by a blank image, which warms the network up as well."""
        shape = self._forward(self.preprocessing.blank()[None]).shape
        if len(shape) != 2 or shape[0] != 1:
            raise Misconfigured(
                f"ISE_BACKBONE={self.architecture} gives no pooled features (but shape {shape}); "
                "choose a classification network."
            )
        return int(shape[1])
