import numpy as np
import pytest
import torch

from services.embedder.device import device_of, images_a_pass
from services.embedder.engines.choice import EngineOptions
from services.embedder.registry import load_backbone
from shared.core.errors import Misconfigured


def test_auto_is_a_gpu_where_there_is_one_else_the_cpu():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert device_of("auto").type == expected
    assert device_of("cpu").type == "cpu"


@pytest.mark.parametrize("setting", ["gpu", "", "cuda:99", "mps:7"])
def test_a_device_that_is_not_there_is_named_with_the_way_out(setting):
    with pytest.raises(Misconfigured, match="ISE_DEVICE"):
        device_of(setting)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_features_from_a_gpu_are_those_from_the_cpu():
    backbone = load_backbone("mini", "", "ISE_WEIGHTS", 1.0)
    pixels = [np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)]
    on_cpu = backbone.features(pixels)
    backbone.run_by(EngineOptions(device=torch.device("cuda")))
    np.testing.assert_allclose(backbone.features(pixels)[0], on_cpu[0], rtol=1e-2, atol=1e-3)


def test_a_gpu_takes_larger_batches_than_a_cpu():
    assert images_a_pass(torch.device("cpu")) == 8
    assert images_a_pass(torch.device("cuda")) > 64
