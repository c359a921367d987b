"""A compiled network runs in a process of its own, which ends with its engine."""

import gc
import os
import socket
import threading
import time
from multiprocessing.connection import Connection

import numpy as np
import pytest
import torch
from torch import nn

from services.embedder.backbones.backbone import Backbone
from services.embedder.engines import apart
from services.embedder.engines.apart import SLOTS, ApartEngine
from services.embedder.engines.apart_worker import serve
from services.embedder.engines.choice import Chooser, EngineOptions
from services.embedder.engines.compiled import CompiledEngine
from services.embedder.engines.eager import CPU, EagerEngine
from services.embedder.engines.engine import EngineUnavailable
from services.embedder.engines.engine_options import Inference, Precision
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.pictures import drawn
from services.embedder.preprocess import Preprocessing
from tests.floats import assert_same

pytestmark = pytest.mark.floats
SIZE = (32, 32)


def small():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return PixelNetwork(nn.Sequential(*layers), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Here:
    """An engine's two ends in one process: a thread answers for the other process."""

    def __init__(self, engine, most=4):
        """`engine`: None where nobody answers."""
        ours, theirs = socket.socketpair()
        self.apart = ApartEngine.__new__(ApartEngine)
        self.apart._most = most
        self.apart._slots = np.zeros((SLOTS, most, *SIZE, 3), dtype=np.uint8)
        self.apart._channel = Connection(ours.detach())
        self.apart._process = self
        self.killed = False
        self.service = Connection(theirs.detach())
        self.thread = threading.Thread(
            target=serve, args=(self.service, engine, self.apart._slots), daemon=True
        )
        if engine is not None:
            self.thread.start()

    def kill(self):
        self.killed = True

    def end(self):
        self.apart._channel.close()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.mark.parametrize("count", [1, 4, 5, 8, 13])
def test_any_number_of_pictures_comes_back_in_order(count):
    network, pixels = small(), drawn(*SIZE, range(count))
    here = Here(EagerEngine(network))
    assert_same(here.apart(pixels), EagerEngine(network)(pixels))
    here.end()


class Picky:
    """Fails for a picture whose first pixel is black."""

    name = "picky"

    def __init__(self, error):
        self.error = error

    def __call__(self, pixels):
        if not pixels[:, 0, 0].any():
            raise self.error
        return pixels.reshape(len(pixels), -1)[:, :4].astype(np.float32)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("too dark"), RuntimeError),
        (torch.OutOfMemoryError("no room"), torch.OutOfMemoryError),
        (RuntimeError("can't allocate memory: 9 bytes"), torch.OutOfMemoryError),
    ],
)
def test_a_failure_is_told_and_the_next_call_gets_its_own_answer(error, kind):
    here = Here(Picky(error), most=1)
    pixels = np.full((5, *SIZE, 3), 7, dtype=np.uint8)
    pixels[2] = 0
    with pytest.raises(kind, match=str(error)):
        here.apart(pixels)
    others = np.arange(1, 6, dtype=np.uint8).repeat(32 * 32 * 3).reshape(5, *SIZE, 3)
    assert here.apart(others)[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert not here.killed
    here.end()


def test_an_engine_whose_process_ended_says_so_each_time():
    here = Here(None)
    here.service.close()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the process of the compiled network ended"):
            here.apart(drawn(*SIZE, range(9)))
    assert here.killed


def test_a_network_that_can_not_be_handed_over_is_not_compiled():
    network = small()
    network.module.unnamed = lambda: None
    with pytest.raises(EngineUnavailable, match=r"PicklingError|AttributeError"):
        ApartEngine(network, SIZE, Precision.FP32, CPU, None)


def _gone(pid):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_without_a_program_that_starts_there_is_no_engine(monkeypatch):
    monkeypatch.setattr(apart, "_PROGRAM", "services.embedder.no_such_program")
    with pytest.raises(EngineUnavailable, match="ended"):
        ApartEngine(small(), SIZE, Precision.FP32, CPU, None)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.timeout(1800)
def test_a_process_compiles_serves_and_ends_with_its_engine(tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("compiled in this process")

    monkeypatch.setattr(CompiledEngine, "__init__", never)
    monkeypatch.setattr(torch, "compile", never)
    backbone = Backbone("small", small().module, Preprocessing(SIZE, SIZE), "mean")
    options = EngineOptions(
        inference=Inference.COMPILE, precision=Precision.FP32, cache_dir=tmp_path
    )
    engine = Chooser(backbone.network, SIZE, backbone.fingerprint, options).choose().engine
    assert engine.name == "compile-fp32"
    assert isinstance(engine, ApartEngine)
    pixels = drawn(*SIZE, range(40))
    assert_same(engine(pixels), EagerEngine(backbone.network)(pixels))
    (kept,) = tmp_path.rglob("compiled")
    assert any(kept.iterdir())
    pid = engine.pid
    os.kill(pid, 0)
    del engine
    gc.collect()
    assert _gone(pid)
