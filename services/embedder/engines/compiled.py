"""torch.compile on a CPU: needs a C++ compiler, and a minute to start."""

import torch

from services.embedder.engines.eager import EagerEngine
from services.embedder.engines.engine import EngineUnavailable, Floats, Pixels
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork


class CompiledEngine(EagerEngine):
    """The eager engine, its network compiled at the first call, which takes images one by one."""

    kind = "compile"

    def __init__(self, network: PixelNetwork, precision: Precision) -> None:
        super().__init__(network, precision)
        self._network = torch.compile(network)

    def __call__(self, pixels: Pixels) -> Floats:
        try:
            return super().__call__(pixels)
        except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) as error:
            raise EngineUnavailable(str(error).partition("\n")[0]) from error
