"""Runs the float-sensitive tests (`pytest -m floats`) by every engine, with and without AVX-512.

`make test` runs them once, as this machine would by itself. Here they run as on another one: with
each engine chosen, and with what goes beyond AVX2 switched off in torch, OpenVINO, numpy and faiss.
"""

import os
import platform
import subprocess
import sys
import time
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

REPOSITORY = Path(__file__).parents[1]
# What knows of engines runs by each of them, the rest once.
ENGINE = "engine"
ALL = "floats"
# A service takes minutes to start so, where the processor is slow.
COMPILED = "compiled"


@dataclass(frozen=True)
class Machine:
    """One way to run tests: `mark` says which, `env` is set for all processes."""

    name: str
    mark: str
    env: dict[str, str]

    def marks(self, path: Path) -> bool:
        """Whether a file has tests for it."""
        return f"pytest.mark.{self.mark}" in path.read_text(encoding="utf-8")


def machines() -> list[Machine]:
    """Every way that this processor can show."""
    plain = [
        *(Machine(one, ENGINE, {"ISE_INFERENCE": one}) for one in ("openvino", "eager")),
        Machine("compile", COMPILED, {"ISE_INFERENCE": "compile"}),
    ]
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return plain
    avx2 = without_avx512()
    return [
        Machine("eager without AVX-512", ALL, avx2 | {"ISE_INFERENCE": "eager"}),
        Machine("openvino without AVX-512", ENGINE, avx2 | {"ISE_INFERENCE": "openvino"}),
        *plain,
    ]


def without_avx512() -> dict[str, str]:
    """Variables that keep every library to AVX2.

    OpenVINO's own kernels have no such switch; the oneDNN in it heeds the variable.
    """
    beyond = [
        name
        for name in __cpu_dispatch__
        if __cpu_features__.get(name) and name.startswith(("AVX512", "X86_V4"))
    ]
    return {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "FAISS_SIMD_LEVEL": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": " ".join(beyond),
    }


def run(machine: Machine, workers: int) -> bool:
    """Whether all tests pass on a machine."""
    print(f"--- {machine.name}", flush=True)
    # Their files alone, as to collect all tests takes longer than to run these.
    files = [path for path in (REPOSITORY / "tests").rglob("test_*.py") if machine.marks(path)]
    tests = COMPILED if machine.mark == COMPILED else f"{machine.mark} and not slow"
    command = [sys.executable, "-m", "pytest", "-q", "-m", tests]
    command += ["--numprocesses", str(workers), "--dist", "worksteal", *map(str, sorted(files))]
    env = {name: value for name, value in machine.env.items() if value}
    return subprocess.run(command, cwd=REPOSITORY, env=os.environ | env).returncode == 0


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.portable", description=__doc__)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--times", type=int, default=1, help="how often to run them all")
    parser.add_argument("--only", default="", help="machines whose name has this in it")
    given = parser.parse_args()
    chosen = [machine for machine in machines() if given.only in machine.name]
    failed = []
    for number in range(given.times):
        for machine in chosen:
            started = time.monotonic()
            if not run(machine, given.workers):
                failed.append(f"{machine.name} (run {number + 1})")
            print(f"--- {machine.name}: {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}")
        return 1
    print(f"Passed: {', '.join(machine.name for machine in chosen)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
