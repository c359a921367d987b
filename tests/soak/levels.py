"""What services hold, round by round, and whether it stays level."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.e2e.processes import children, resident_bytes

MIB = 2**20
# Of what comes and goes: a connection more, an allocator that keeps an arena.
_FILES, _BYTES, _SHARE, _THREADS, _ROWS = 10, 16 * MIB, 0.1, 10, 100
_BY_AGE = {"undos", "undo_steps", "removed_files"}
"""Tables whose rows are kept for a day or an hour, whatever their number."""


@dataclass(frozen=True)
class Level:
    """Memory (without mapped files), open files and threads of a service and its own processes.

    Files: without segments that are there. A collection has a dozen or a hundred of them, as
    uploads and compactions go; one that is held after its removal counts.
    """

    bytes: int
    files: int
    threads: int = 0


def level(pid: int) -> Level:
    held = Level(0, 0)
    for one in (pid, *children(pid)):
        try:
            held = Level(
                held.bytes + resident_bytes(one),
                held.files + sum(map(_counts, Path(f"/proc/{one}/fd").iterdir())),
                held.threads + len(list(Path(f"/proc/{one}/task").iterdir())),
            )
        except (FileNotFoundError, ProcessLookupError, AssertionError):
            # A process of decoding or reading that ended meanwhile holds nothing.
            continue
    return held


def _counts(opened: Path) -> bool:
    try:
        file = opened.readlink()
    except FileNotFoundError:
        # Closed meanwhile.
        return False
    # The system adds to the name of a file that was removed.
    return file.suffix != ".hdf5"


def rows(catalogue: Path) -> dict[str, int]:
    """Return the rows of each table."""
    with closing(sqlite3.connect(f"file:{catalogue}?mode=ro", uri=True)) as database:
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608
            for (name,) in found
        }


def disk(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def rises(rounds: Sequence[Mapping[str, Level]]) -> list[str]:
    """A sentence on each service that held more and more; the first third warms up."""
    found = []
    for name in rounds[0]:
        held = [one[name] for one in rounds[len(rounds) // 3 :]]
        grown = rise([one.bytes for one in held])
        if grown > _BYTES and grown > _SHARE * held[0].bytes:
            found.append(f"the memory of the {name} rose by {grown / MIB:.0f} MiB")
        opened = rise(_least([one.files for one in held]))
        if opened > _FILES:
            found.append(f"the open files of the {name} rose by {opened:.0f}")
        started = rise([one.threads for one in held])
        if started > _THREADS:
            found.append(f"the threads of the {name} rose by {started:.0f}")
    return found


def table_rises(rounds: Sequence[Mapping[str, int]]) -> list[str]:
    """A sentence on each table that got longer and longer; the first third warms up."""
    found = []
    for name in sorted(set(rounds[0]) - _BY_AGE):
        held = [one[name] for one in rounds[len(rounds) // 3 :]]
        grown = rise(held)
        if grown > _ROWS and grown > _SHARE * held[0]:
            found.append(f"the table {name} rose by {grown:.0f} rows")
    return found


def _least(values: Sequence[int]) -> list[int]:
    """Return the least of each fifth: segments and connections come and go between two rounds by
    the dozen, and what is held for good is always held.
    """
    length = max(1, len(values) // 5)
    return [min(values[at : at + length]) for at in range(0, len(values) - length + 1, length)]


def rise(values: Sequence[float]) -> float:
    """From first to last, along the line of least squares: one round alone says little."""
    slope, _ = np.polyfit(np.arange(len(values)), np.array(values, float), 1)
    return float(slope) * (len(values) - 1)
