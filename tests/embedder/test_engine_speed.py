"""Engines are chosen without keeping anybody waiting, and say how fast they are."""

import copy
import logging
import re
import threading
import time

import numpy as np
import pytest
import torch
from torch import nn

from services.embedder.backbones.backbone import Backbone
from services.embedder.engines import choice, processor
from services.embedder.engines.batch_size import SIZES, best_batch
from services.embedder.engines.choice import Chooser, EngineOptions
from services.embedder.engines.cuda import CudaEngine, LowPrecision
from services.embedder.engines.eager import CPU, EagerEngine
from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.engines.memory import Choice, Memory
from services.embedder.engines.pictures import built_in
from services.embedder.preprocess import Preprocessing
from shared.maths.floats import SAME_FEATURES, furthest
from shared.media.images import decode
from tests.floats import least_cosine

pytestmark = pytest.mark.floats

PRECISIONS = processor.precisions(CPU)


def chosen(backbone, **wish):
    network = backbone.network
    return (
        Chooser(network, backbone.preprocessing.crop, backbone.fingerprint, EngineOptions(**wish))
        .choose()
        .engine
    )


class Slow(nn.Module):
    """Its features wait for `go` in every thread but the first."""

    def __init__(self):
        super().__init__()
        self.map = nn.Conv2d(3, 8, 1)
        self.first, self.go = threading.get_ident(), threading.Event()

    def forward(self, images):
        if threading.get_ident() != self.first:
            assert self.go.wait(60)
        return self.map(images).mean(dim=(2, 3))


def test_a_choice_that_takes_long_keeps_nobody_waiting(caplog):
    caplog.set_level(logging.INFO)
    module = Slow()
    backbone = Backbone("slow", module, Preprocessing((32, 32), (32, 32)), "mean")
    began = threading.active_count()
    backbone.run_by(EngineOptions(inference=Inference.OPENVINO), patience_s=0.0)
    pixels = list(built_in(32, 32))
    (first, *_) = backbone.features(pixels)
    assert backbone.engine == "eager-fp32"
    assert backbone.speed is None
    assert "while a faster engine is made ready" in caplog.text
    module.go.set()
    end = time.monotonic() + 60
    while backbone.speed is None:
        assert time.monotonic() < end, began
        time.sleep(0.02)
    assert backbone.engine.startswith("openvino-")
    (then, *_) = backbone.features(pixels)
    assert least_cosine(then[None], first[None]) >= 0.999


def test_the_start_says_how_near_the_limit_of_the_machine_it_is(mini, caplog):
    caplog.set_level(logging.INFO)
    chosen(mini, inference=Inference.EAGER, precision=Precision.FP32)
    assert re.search(
        r"mini-\w+ runs on eager-fp32: [\d.]+ images per second, \d+% of the [\d.]+ that a matrix "
        "product of this machine allows",
        caplog.text,
    )


def test_another_engine_is_taken_only_where_it_is_clearly_faster(mini, monkeypatch):
    for rate, expected in ((1.05, "openvino"), (1.5, "eager")):
        monkeypatch.setattr(
            choice,
            "images_per_second",
            lambda engines, _, rate=rate: {
                engine.name: rate if engine.name.startswith("eager") else 1.0 for engine in engines
            },
        )
        assert chosen(mini, precision=Precision.FP32).name.startswith(expected)


def test_eager_fp32_features_are_the_same_in_batches(backbone, files):
    pixels = np.stack([backbone.preprocessing(decode(data)) for data in files])
    alone = EagerEngine(backbone.network)(pixels)
    assert furthest(EagerEngine(backbone.network, at_once=4)(pixels), alone) <= SAME_FEATURES


def test_weights_in_low_precision_keep_the_features(small_resnet):
    pixels = built_in(96, 96)
    expected = EagerEngine(small_resnet.network)(pixels)
    lower = LowPrecision(copy.deepcopy(small_resnet.network), torch.bfloat16)
    with torch.inference_mode():
        found = lower(torch.from_numpy(pixels)).numpy()
    # The grey one is where rounding weighs the most.
    assert least_cosine(found[1:], expected[1:]) >= 0.999
    kinds = {name: tensor.dtype for name, tensor in lower.network.module.named_parameters()}
    assert (
        kinds["conv1.0.weight" if "conv1.0.weight" in kinds else "conv1.weight"] == torch.bfloat16
    )
    assert kinds["bn1.weight"] == torch.float32


def test_the_best_batch_is_the_smallest_that_no_larger_one_clearly_beats():
    rates = {32: 900.0, 64: 1000.0, 128: 1010.0, 256: 1020.0}
    assert best_batch(rates.get) == 64
    assert best_batch({32: 100.0, 64: 200.0, 128: 400.0, 256: 800.0}.get) == 256
    # There is no memory for larger ones.
    assert best_batch({32: 100.0, 64: 200.0}.get) == 64
    assert best_batch({}.get) == 0


def test_a_measured_batch_is_remembered_with_the_choice(tmp_path):
    memory = Memory(tmp_path, "model", CPU)
    memory.keep("auto-auto", Choice("compile-bf16", batch=256), {})
    assert memory.recall("auto-auto") == Choice("compile-bf16", batch=256)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_batch_of_a_gpu_is_measured(small_resnet):
    options = EngineOptions(inference=Inference.EAGER, device=torch.device("cuda"))
    found = Chooser(small_resnet.network, (96, 96), "small", options).choose()
    assert found.batch in SIZES


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("compiled", [False, True])
def test_features_of_a_gpu_are_those_of_eager_fp32_in_every_size_of_batch(small_resnet, compiled):
    pixels = np.concatenate([built_in(96, 96)] * 4)
    expected = EagerEngine(small_resnet.network)(pixels)
    gpu = torch.device("cuda")
    engine = CudaEngine(small_resnet.network, (96, 96), Precision.BF16, gpu, compiled)
    for size in (1, 3, 8, 24):
        assert least_cosine(engine(pixels[:size]), expected[:size]) >= 0.999


def test_two_threads_of_a_core_count_once(monkeypatch, tmp_path):
    for number, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{siblings}\n")
    monkeypatch.setattr(processor, "_TOPOLOGY", tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert processor.physical_cores() == 2
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2}, raising=False)
    assert processor.physical_cores() == 1
