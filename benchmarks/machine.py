"""Machine and versions that figures were measured with."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    "numpy", "faiss-cpu", "h5py", "hnswlib", "scikit-learn", "milvus-lite", "pymilvus", "lancedb",
    "torch", "timm", "openvino",
)  # fmt: skip


def describe() -> dict[str, Any]:
    """Commit, processor, memory, versions; as it goes into a result."""
    return {
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "processor": _first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(_first("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
        # What else ran: 0 on a quiet machine.
        "load": round(os.getloadavg()[0], 1),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES if _version(name)},
    }


def _git(*words: str) -> str:
    command = ["git", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def _first(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return "unknown"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
