"""Time that a process may take for one file."""

import os
import sys
import time
from pathlib import Path

_TICK_S, _NOTHING_S = 0.01, 1e-6
_CLOCK = 5
"""On a machine that is this many times busier than it has cores, harmless files still pass."""


class Allowance:
    """Seconds of processor time for one file, and some times as many by the clock.

    Processor time, since on a busy machine a harmless file takes long by the clock; the clock too,
    since a process that waits uses none. Where the system doesn't tell processor time, the clock
    alone.
    """

    def __init__(self, pid: int, seconds: float) -> None:
        self._pid = pid
        self._seconds = seconds
        self._began = time.monotonic()
        self._used = _processor_seconds(pid)

    def left(self) -> float:
        """Return the seconds after which to ask again; 0 where the time is used up."""
        elapsed = time.monotonic() - self._began
        left = self._seconds - elapsed
        before, now = self._used, _processor_seconds(self._pid)
        # A decoder of several threads uses the processor's time faster than the clock's.
        if left <= 0 and before is not None and now is not None:
            left = min(self._seconds - (now - before), _CLOCK * self._seconds - elapsed)
        # Processor time is told in hundredths: to ask more often only takes time.
        return max(left, _TICK_S) if left > _NOTHING_S else 0.0


def _processor_seconds(pid: int) -> float | None:
    """Return the processor time of a process so far, with all its threads."""
    if sys.platform != "linux":
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name, in brackets, may hold blanks; user and system time are fields 14 and 15.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
