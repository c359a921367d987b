"""What Linux says of processes."""

from pathlib import Path

_PARENT = 1
"""Of the fields after the name in `/proc/<pid>/stat`, which is its second."""


def children(parent: int) -> list[int]:
    """The processes that this one started and that run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[_PARENT]) == parent and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def resident_bytes(pid: int) -> int:
    """The memory that a process takes, without files that it merely maps."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    raise AssertionError(f"/proc/{pid}/status names no RssAnon")
