"""A GPU compiles, in the precision that it has, while it serves; most of it needs one."""

import time

import numpy as np
import pytest
import torch

from services.embedder.engines import processor
from services.embedder.engines.apart import ApartEngine
from services.embedder.engines.choice import Chooser, EngineOptions
from services.embedder.engines.cuda import CudaEngine
from services.embedder.engines.eager import EagerEngine
from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.engines.pictures import built_in, drawn
from services.embedder.registry import load_backbone
from tests.floats import least_cosine

GPU = torch.device("cuda")
with_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def test_a_gpu_compiles_in_the_precision_that_it_has(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert processor.precisions(GPU) == [Precision.FP16, Precision.FP32]
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert EngineOptions(device=GPU).precisions()[0] is Precision.BF16
    assert EngineOptions(device=GPU).kinds() == [Inference.COMPILE]


@with_gpu
def test_copies_of_the_next_pictures_overlap_work_on_the_former(small_resnet):
    engine = CudaEngine(small_resnet.network, (96, 96), Precision.BF16, GPU)
    batches = [drawn(96, 96, range(start, start + size)) for start, size in ((0, 24), (50, 3))]
    waiting = [engine.begin(pixels) for pixels in batches]
    for pixels, finish in reversed([*zip(batches, waiting, strict=True)]):
        assert least_cosine(finish(), EagerEngine(small_resnet.network)(pixels)) >= 0.999


@with_gpu
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_process_compiles_for_a_gpu_and_serves_every_size_of_batch(small_resnet, tmp_path):
    engine = ApartEngine(small_resnet.network, (96, 96), Precision.BF16, GPU, tmp_path)
    pixels = np.concatenate([built_in(96, 96)] * 50)
    expected = EagerEngine(small_resnet.network)(pixels)
    for size in (1, 3, 8, 24, 128, 300):
        assert least_cosine(engine(pixels[:size]), expected[:size]) >= 0.999


@with_gpu
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_gpu_serves_eagerly_until_its_compiled_network_is_ready(tmp_path):
    mini = load_backbone("mini")
    pixels = drawn(*mini.preprocessing.crop, range(9))
    expected = mini.forward(pixels)
    mini.run_by(EngineOptions(device=GPU, cache_dir=tmp_path), patience_s=0.0)
    assert mini.engine.startswith("eager-")
    end = time.monotonic() + 600
    while mini.speed is None:
        assert time.monotonic() < end
        assert least_cosine(mini.forward(pixels), expected) >= 0.999
        time.sleep(0.05)
    assert mini.engine.startswith("compile-")
    assert mini.batch > 0
    assert least_cosine(mini.forward(pixels), expected) >= 0.999


@with_gpu
def test_small_batches_are_replayed_and_leave_no_rows_of_the_former(small_resnet):
    options = EngineOptions(inference=Inference.EAGER, device=GPU)
    engine = Chooser(small_resnet.network, (96, 96), "small", options).choose().engine
    pixels = drawn(96, 96, range(8))
    whole = engine(pixels)
    alone = np.concatenate([engine(row[None]) for row in pixels])
    assert least_cosine(alone, whole) >= 0.999
