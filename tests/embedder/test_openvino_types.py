"""Threads that infer for the first time never wait for each other."""

import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from services.embedder.engines.engine_options import Precision
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.openvino import OpenVINOEngine
from tests.e2e.engine import REPOSITORY
from tests.embedder.bf16 import with_bf16

_PROGRAM = """
import sys, threading
from pathlib import Path
from torch import nn
from services.embedder.engines.engine_options import Precision
from services.embedder.engines.mixed import MixedEngine
from services.embedder.engines.network import PixelNetwork
from services.embedder.engines.openvino import OpenVINOEngine

kept = Path(sys.argv[2])
network = PixelNetwork(nn.Flatten(), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
if sys.argv[1] == "mixed":
    MixedEngine(network, (32, 32), 1.0, kept)
else:
    OpenVINOEngine(network, (32, 32), Precision.FP32, kept)

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


@pytest.mark.parametrize("engine", [pytest.param("mixed", marks=with_bf16), "openvino"])
def test_threads_that_infer_first_do_not_wait_for_each_other(engine: str, tmp_path: Path) -> None:
    """In a process that reads a converted network, for which nothing has used the types before."""
    kept = tmp_path / "openvino.xml"
    layers = [nn.Conv2d(3, 3, 3) for _ in range(8)]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = PixelNetwork(module, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    OpenVINOEngine(network, (32, 32), Precision.FP32, kept)
    # It takes seconds; threads that wait for each other stop the process for good.
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, engine, str(kept)],
        cwd=REPOSITORY,
        timeout=120,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-1000:]
