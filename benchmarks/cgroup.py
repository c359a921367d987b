"""A limit of memory for a process, its share of the page cache included; cgroup v1 and v2."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/memory")
_V2 = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class _Hierarchy:
    """Location of control groups, and the file that takes the limit."""

    root: Path
    limit: str

    @staticmethod
    def find() -> "_Hierarchy | None":
        if (_V1 / "memory.limit_in_bytes").exists():
            return _Hierarchy(_V1, "memory.limit_in_bytes")
        controllers = _V2 / "cgroup.subtree_control"
        if controllers.exists() and "memory" in controllers.read_text().split():
            return _Hierarchy(_V2, "memory.max")
        return None


def unavailable() -> str | None:
    """Why no limit can be set here, or None."""
    hierarchy = _Hierarchy.find()
    if hierarchy is None:
        return "there is no cgroup with the memory controller"
    if os.geteuid() != 0 or not os.access(hierarchy.root, os.W_OK):
        return "setting a cgroup's limit needs root"
    return None


@contextmanager
def limited(limit_bytes: int, name: str) -> Iterator[Path]:
    """A group of so many bytes; gives the file that a process writes its number to, to join."""
    hierarchy = _Hierarchy.find()
    if hierarchy is None:
        raise OSError(unavailable())
    group = hierarchy.root / f"{name}-{os.getpid()}"
    group.mkdir()
    try:
        (group / hierarchy.limit).write_text(str(limit_bytes))
        yield group / "cgroup.procs"
    finally:
        group.rmdir()


def forget_cached(folder: Path) -> None:
    """Drops the files of a folder from the page cache: what reads them next has the disk do so."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
