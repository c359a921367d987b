"""Number of processors that this process may use."""

import math
import os
from functools import cache
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


@cache
def processors() -> int:
    """Return those it may run on, or as many as its container's share of time is worth."""
    there = getattr(os, "sched_getaffinity", None)
    count = len(there(0)) if there else os.cpu_count() or 1
    share = quota(_CGROUPS)
    return count if share is None else max(1, min(count, math.ceil(share)))


def quota(cgroups: Path) -> float | None:
    """Return how many processors' time a container may use; None: no limit is set.

    cgroups: where control groups are mounted, of either version.
    """
    try:
        newer = cgroups / "cpu.max"
        if newer.exists():
            limit, period = newer.read_text().split()
            return None if limit == "max" else int(limit) / int(period)
        older = cgroups / "cpu"
        limit_us = int((older / "cpu.cfs_quota_us").read_text())
        return limit_us / int((older / "cpu.cfs_period_us").read_text()) if limit_us > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
