"""Precisions that the processor, or the GPU, can compute in."""

import os
import platform
import sys
import threading
from pathlib import Path

import torch

from services.embedder.engines.engine_options import Precision

_CPUINFO = Path("/proc/cpuinfo")
_BF16_ON_X86 = {"avx512_bf16", "amx_bf16"}
_BF16_ON_ARM = "bf16"
_TOPOLOGY = Path("/sys/devices/system/cpu")
_NICE = 10
_BUSY = 1.5
"""Average of runnable threads for each core; a start alone stays below."""
_WITHOUT_AVX512 = ("DEFAULT", "AVX2")


def precisions(device: torch.device) -> list[Precision]:
    """Return the precisions that run at full speed on a device, the fastest first."""
    found = [Precision.FP32]
    if device.type == "cuda":
        found.insert(0, Precision.FP16)
        if torch.cuda.is_bf16_supported(including_emulation=False):
            found.insert(0, Precision.BF16)
    elif _has_bf16():
        found[:0] = [Precision.BF16, Precision.MIXED]
    return found


def physical_cores() -> int:
    """Return the number of cores that this process may use; two threads of a core are one.

    The units that multiply belong to a core, so a second thread on it only waits for them.
    """
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    siblings = set()
    for number in usable:
        path = _TOPOLOGY / f"cpu{number}" / "topology" / "thread_siblings_list"
        try:
            siblings.add(path.read_text().strip())
        except OSError:
            return len(usable)
    return len(siblings) or os.cpu_count() or 1


def is_busy() -> bool:
    """Return True where much else runs, so that a speed measured now tells little."""
    return os.getloadavg()[0] > _BUSY * physical_cores()


def yield_to_others() -> None:
    """Let the threads of other work go first, before this one and those that it starts."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nice = max(_NICE, os.getpriority(os.PRIO_PROCESS, thread))
        os.setpriority(os.PRIO_PROCESS, thread, nice)


def _has_bf16() -> bool:
    """Return True if bf16 instructions are in use; without them, bf16 is slower than fp32.

    ATEN_CPU_CAPABILITY=avx2 switches AVX-512 off, and AMX with it.
    """
    flags = set(_fact("flags", "Features").split())
    if _BF16_ON_X86 & flags:
        return _capability() not in _WITHOUT_AVX512
    return _BF16_ON_ARM in flags


def _capability() -> str:
    """The instructions that torch uses, like `AVX2`."""
    return str(torch.backends.cpu.get_cpu_capability())


def name(device: torch.device) -> str:
    """Return the device's own name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    model = [_fact(key) for key in ("model name", "cpu family", "model", "stepping")]
    # Virtual processors of one name may differ in their instructions.
    return " ".join((platform.machine(), _capability(), *model, _fact("flags", "Features")))


def _fact(*keys: str) -> str:
    """Return the first value in /proc/cpuinfo of one of these keys; empty if there is none."""
    if not _CPUINFO.exists():
        return ""
    for line in _CPUINFO.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return ""
