"""A GPU runs eagerly, in the precision that it has."""

import torch
from torch import nn

from services.embedder.engines import processor
from services.embedder.engines.choice import EngineOptions
from services.embedder.engines.eager import EagerEngine
from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.engines.network import PixelNetwork


class OnGPU(PixelNetwork):
    """Says where it was moved to, and stays on the CPU."""

    moved = None

    def to(self, *args, **options):
        if args and isinstance(args[0], torch.device):
            self.moved = args[0]
            return self
        return super().to(*args, **options)


def test_a_gpu_runs_eagerly_in_the_precision_that_it_has(monkeypatch):
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert processor.precisions(gpu) == [Precision.FP16, Precision.FP32]
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert EngineOptions(device=gpu).precisions()[0] is Precision.BF16
    assert EngineOptions(device=gpu).kinds() == [Inference.EAGER]
    network = OnGPU(nn.Identity(), (0, 0, 0), (1, 1, 1))
    EagerEngine(network, Precision.BF16, gpu)
    assert network.moved == gpu
