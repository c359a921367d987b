"""The machines that `make test-portable` shows are other ones than this."""

import os
import platform
import subprocess
import sys

import pytest

from tests import portable

_TELLS = """
import faiss, torch
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from services.embedder.engines.processor import precisions
print(torch.backends.cpu.get_cpu_capability(), faiss.SIMDConfig.get_level_name())
print([n for n in __cpu_dispatch__ if __cpu_features__[n] and n.startswith(("AVX512", "X86_V4"))])
print(*precisions(torch.device("cpu")))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="x86 alone has AVX-512")
def test_without_avx512_no_library_uses_it() -> None:
    env = {name: value for name, value in portable.without_avx512().items() if value}
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", _TELLS],
        cwd=portable.REPOSITORY,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told == ["AVX2 AVX2", "[]", "fp32"]


def test_every_engine_is_run() -> None:
    engines = {machine.env["ISE_INFERENCE"] for machine in portable.machines()}
    assert engines == {"openvino", "eager", "compile"}
