"""What the processor, or the GPU, can compute in."""

import platform
from pathlib import Path

import torch

from services.embedder.engines.wish import Precision

_CPUINFO = Path("/proc/cpuinfo")
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}
"""Any of these flags (x86, x86, Arm) means instructions for bf16; without, it is slower."""


def precisions(device: torch.device) -> list[Precision]:
    """What runs at full speed on a device, the fastest first."""
    found = [Precision.FP32]
    if device.type == "cuda":
        found.insert(0, Precision.FP16)
        if torch.cuda.is_bf16_supported(including_emulation=False):
            found.insert(0, Precision.BF16)
    elif _BF16 & set(_fact("flags", "Features").split()):
        found.insert(0, Precision.BF16)
    return found


def name(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    model = [_fact(key) for key in ("model name", "cpu family", "model", "stepping")]
    # Virtual processors of one name may have different instructions.
    return " ".join((platform.machine(), *model, _fact("flags", "Features")))


def _fact(*keys: str) -> str:
    """The first line of /proc/cpuinfo with one of these keys; empty where there is none."""
    if not _CPUINFO.exists():
        return ""
    for line in _CPUINFO.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return ""
