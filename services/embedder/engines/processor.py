"""Precisions that the processor, or the GPU, can compute in."""

import platform
from pathlib import Path

import torch

from services.embedder.engines.engine_options import Precision

_CPUINFO = Path("/proc/cpuinfo")
_BF16_ON_X86 = {"avx512_bf16", "amx_bf16"}
_BF16_ON_ARM = "bf16"
_WITHOUT_AVX512 = ("DEFAULT", "AVX2")


def precisions(device: torch.device) -> list[Precision]:
    """Return the precisions that run at full speed on a device, the fastest first."""
    found = [Precision.FP32]
    if device.type == "cuda":
        found.insert(0, Precision.FP16)
        if torch.cuda.is_bf16_supported(including_emulation=False):
            found.insert(0, Precision.BF16)
    elif _has_bf16():
        found.insert(0, Precision.BF16)
    return found


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
