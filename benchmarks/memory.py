"""Memory of a process, as Linux counts it."""

from pathlib import Path

_MIB = 2**20


def resident(pid: int, kind: str = "RssAnon") -> float:
    """MiB of a process and of those it started. `RssFile` is what its memory maps hold."""
    return sum(_status(each, kind) for each in _family(pid))


def peak(pid: int) -> float:
    """The most MiB that were ever resident, mapped files too."""
    return _status(pid, "VmHWM")


def read_from_disk(pid: int) -> int:
    """Bytes that a process and those it started had the disk fetch."""
    total = 0
    for each in _family(pid):
        for line in Path(f"/proc/{each}/io").read_text().splitlines():
            name, value = line.split(":")
            total += int(value) if name == "read_bytes" else 0
    return total


def size_on_disk(folder: Path) -> float:
    """MiB of the files in a folder."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / _MIB


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += _family(int(child))
    return found


def _status(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"/proc/{pid}/status has no {name}")
