"""The machine as this process sees it, within the limits of a container where it is in one."""

import os
import platform
import resource
from collections.abc import Iterator
from pathlib import Path

from shared.doctor.finding import Finding, ok, problem, warning

_CGROUP = Path("/sys/fs/cgroup/memory.max")
_FEW_FILES = 1024


def findings() -> Iterator[Finding]:
    """Yield findings on Python, open files, and limits of a container."""
    version = platform.python_version()
    yield ok("python", f"Python {version} on {platform.system()} {platform.machine()}.")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < _FEW_FILES:
        yield warning(
            "open files", f"A process may open {files} files; raise that to 4096 (`ulimit -n`)."
        )
    if is_container() and os.getuid() == 0:
        yield warning(
            "container", "This runs as root in a container; the images' own user is `ise`."
        )


def is_container() -> bool:
    """Return whether a container engine's own marks are there."""
    return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()


def memory_limit(cgroup: Path = _CGROUP) -> int:
    """Bytes that this process may have: the container's limit, or else the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        text = cgroup.read_text().strip()
    except OSError:
        return machine
    return min(machine, int(text)) if text.isdigit() else machine


def enough_memory(needed: int, limit: int) -> Finding:
    """Check that a collection's part in memory leaves room for the rest of the service."""
    sentence = (
        f"The index takes {needed / 1e9:.2f} GB of memory, and {limit / 1e9:.2f} GB are there"
    )
    if needed > 0.8 * limit:
        return problem("memory", f"{sentence}. Raise the limit (ISE_QUERY_MEMORY in compose).")
    if needed > 0.5 * limit:
        return warning("memory", f"{sentence}; little is left for searches and the files' pages.")
    return ok("memory", f"{sentence}.")
