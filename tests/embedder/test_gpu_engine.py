"""A GPU compiles, in the precision that it has."""

import torch

from services.embedder.engines import processor
from services.embedder.engines.choice import EngineOptions
from services.embedder.engines.engine_options import Inference, Precision


def test_a_gpu_compiles_in_the_precision_that_it_has(monkeypatch):
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert processor.precisions(gpu) == [Precision.FP16, Precision.FP32]
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert EngineOptions(device=gpu).precisions()[0] is Precision.BF16
    assert EngineOptions(device=gpu).kinds() == [Inference.COMPILE]
