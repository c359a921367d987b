"""What processes hold, round by round, and whether it stays level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.e2e.processes import children, resident_bytes

MIB = 2**20
# Of what comes and goes: a connection more, an allocator that keeps an arena.
_FILES, _BYTES, _SHARE = 10, 16 * MIB, 0.1


@dataclass(frozen=True)
class Level:
    """Memory (without mapped files) and open files of a service and its own processes."""

    bytes: int
    files: int


def level(pid: int) -> Level:
    pids = [pid, *children(pid)]
    open_files = sum(len(list(Path(f"/proc/{one}/fd").iterdir())) for one in pids)
    return Level(sum(map(resident_bytes, pids)), open_files)


def rises(rounds: Sequence[Mapping[str, Level]]) -> list[str]:
    """A sentence on each service that held more and more; the first third warms up."""
    found = []
    for name in rounds[0]:
        held = [one[name] for one in rounds[len(rounds) // 3 :]]
        grown = rise([one.bytes for one in held])
        if grown > _BYTES and grown > _SHARE * held[0].bytes:
            found.append(f"the memory of the {name} rose by {grown / MIB:.0f} MiB")
        opened = rise([one.files for one in held])
        if opened > _FILES:
            found.append(f"the open files of the {name} rose by {opened:.0f}")
    return found


def rise(values: Sequence[float]) -> float:
    """From first to last, along the line of least squares: one round alone says little."""
    slope, _ = np.polyfit(np.arange(len(values)), np.array(values, float), 1)
    return float(slope) * (len(values) - 1)
