"""The first layers in fp32, the others in bf16, and weak features all in fp32."""

import numpy as np
import openvino
import pytest
import torch
from torch import nn

from services.embedder.engines import converter
from services.embedder.engines import openvino as openvino_engine
from services.embedder.engines.agreement import least_cosine
from services.embedder.engines.choice import Chooser, EngineOptions
from services.embedder.engines.eager import EagerEngine
from services.embedder.engines.engine import EngineUnavailable
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.mixed import MixedEngine, _Chain, halves
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.openvino import OpenVINOEngine, model_of
from services.embedder.engines.pictures import drawn
from services.embedder.registry import load_backbone
from tests.embedder.bf16 import with_bf16
from tests.floats import assert_same

pytestmark = pytest.mark.floats
SIZE = (32, 32)


class Residual(nn.Module):
    """A convolution and some residual ones; `around`: all lie within a residual, too."""

    def __init__(self, around):
        super().__init__()
        torch.manual_seed(0)
        self.around = around
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.others = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(7))

    def forward(self, images):
        found = self.first(images).relu()
        for layer in self.others:
            found = found + layer(found).relu()
        return (found + images[:, :1] if self.around else found).mean(dim=(2, 3))


def network(around=False):
    return PixelNetwork(Residual(around), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_two_parts_give_the_features_of_the_whole():
    core, small = openvino.Core(), network()
    parts = halves(model_of(core, small, SIZE, None))
    convolutions = [
        sum(op.get_type_name() == "Convolution" for op in part.get_ordered_ops()) for part in parts
    ]
    assert convolutions == [3, 5]
    chain = _Chain(core, [(part, "f32") for part in parts], 1, 1)
    pixels = drawn(*SIZE, range(3))
    found = np.stack([chain(pixels[row : row + 1]) for row in range(3)])
    assert_same(found, OpenVINOEngine(small, SIZE, Precision.FP32)(pixels))


def test_a_network_without_a_narrow_place_can_not_be_parted():
    with pytest.raises(EngineUnavailable, match="can't be parted"):
        halves(model_of(openvino.Core(), network(around=True), SIZE, None))


@with_bf16
def test_weak_features_are_those_of_fp32():
    small, pixels = network(), drawn(*SIZE, range(3))
    expected = OpenVINOEngine(small, SIZE, Precision.FP32)(pixels)
    assert_same(MixedEngine(small, SIZE, usual=1e9)(pixels), expected)
    assert_same(MixedEngine(small, SIZE, usual=1e9)(pixels[:1]), expected[:1])


@with_bf16
def test_features_agree_with_fp32_and_do_not_depend_on_the_batch():
    small, pixels = network(), drawn(*SIZE, range(9))
    engine = MixedEngine(small, SIZE, usual=0.0)
    together = engine(pixels)
    assert least_cosine(together, EagerEngine(small)(pixels)) >= 0.999
    alone = np.concatenate([engine(pixels[row : row + 1]) for row in range(len(pixels))])
    assert_same(alone, together)


@with_bf16
def test_the_default_network_whose_features_bf16_spoils_runs_mixed():
    lite = load_backbone("lite")
    size = lite.preprocessing.crop
    assert lite.takes_mixed
    options = EngineOptions(takes_mixed=True)
    engine = Chooser(lite.network, size, lite.fingerprint, options).choose().engine
    assert engine.name == "openvino-mixed"
    grey = lite.preprocessing.blank()[None]
    assert least_cosine(engine(grey), EagerEngine(lite.network)(grey)) >= 0.999


def test_a_large_network_is_converted_by_another_process_to_the_same_features(monkeypatch):
    small, pixels = network(), drawn(*SIZE, range(3))
    expected = OpenVINOEngine(small, SIZE, Precision.FP32)(pixels)
    monkeypatch.setattr(converter, "is_large", lambda _: True)

    def never(*_):
        raise AssertionError("converted in this process")

    monkeypatch.setattr(openvino_engine, "converted", never)
    assert_same(OpenVINOEngine(small, SIZE, Precision.FP32)(pixels), expected)


def test_a_network_that_can_not_be_handed_over_is_converted_here(monkeypatch, caplog):
    small, pixels = network(), drawn(*SIZE, range(1))
    expected = OpenVINOEngine(small, SIZE, Precision.FP32)(pixels)
    monkeypatch.setattr(converter, "is_large", lambda _: True)
    small.module.unnamed = lambda: None
    assert_same(OpenVINOEngine(small, SIZE, Precision.FP32)(pixels), expected)
    assert "is converted in the service itself" in caplog.text


@with_bf16
def test_a_network_that_was_not_measured_so_runs_mixed_only_if_asked() -> None:
    assert Precision.MIXED not in EngineOptions().precisions()
    assert EngineOptions(precision=Precision.MIXED).precisions() == [Precision.MIXED]
