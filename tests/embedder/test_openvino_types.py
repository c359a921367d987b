"""Threads that infer for the first time never wait for each other."""

import subprocess
import sys

import pytest

from tests.e2e.engine import REPOSITORY

_PROGRAM = """
import sys, threading
from torch import nn
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.mixed import MixedEngine
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.openvino import OpenVINOEngine

layers = [nn.Conv2d(3, 3, 3) for _ in range(8)]
module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
network = PixelNetwork(module, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
if sys.argv[1] == "mixed":
    MixedEngine(network, (32, 32), 1.0)
else:
    OpenVINOEngine(network, (32, 32), Precision.FP32)

import openvino

sys.setswitchinterval(1e-6)
together = threading.Barrier(8)

def infer():
    together.wait()
    openvino.Type.f32.to_dtype()

threads = [threading.Thread(target=infer) for _ in range(8)]
[one.start() for one in threads]
[one.join() for one in threads]
"""


@pytest.mark.parametrize("engine", ["mixed", "openvino"])
def test_threads_that_infer_first_do_not_wait_for_each_other(engine):
    program = [sys.executable, "-c", _PROGRAM, engine]
    # It takes seconds; if they wait for each other, all threads of the process stop for good.
    done = subprocess.run(program, cwd=REPOSITORY, timeout=120, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-1000:]
