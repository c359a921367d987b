"""Named places where a test makes the process die or its disk be full.

    ISE_FAILPOINTS="segment.renamed=kill,catalogue.commit=full@3"

`kill` ends the process as SIGKILL does; `full` raises the error of a full disk; `@3` does so at the
third pass only. For tests: without the variable a failpoint does nothing. What is there to name
stands in docs/RELIABILITY.md.
"""

import errno
import itertools
import os
import signal
from collections.abc import Iterator
from functools import cache

VARIABLE = "ISE_FAILPOINTS"

# Steps of `durable.publishing` for each file, in this order.
FILE_STEPS = ("begin", "written", "synced", "renamed", "durable")


def reach(name: str) -> None:
    """Passes the failpoint of this name."""
    if (armed := _armed().get(name)) is not None:
        armed.reach()


class _Failpoint:
    """One that the environment names. Passes may come from several threads."""

    def __init__(self, action: str) -> None:
        kind, _, at = action.partition("@")
        if kind not in ("kill", "full") or not (at or "1").isdecimal():
            raise ValueError(f"{VARIABLE}: {action!r} is neither kill nor full, with or without @N")
        self._kills = kind == "kill"
        self._at = int(at) if at else None
        self._passes: Iterator[int] = itertools.count(1)

    def reach(self) -> None:
        if self._at not in (None, next(self._passes)):
            return
        if self._kills:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@cache
def _armed() -> dict[str, _Failpoint]:
    """Return the failpoints that the environment names; read once, at the first pass."""
    pairs = [one.partition("=") for one in os.environ.get(VARIABLE, "").split(",") if one]
    return {name.strip(): _Failpoint(action.strip()) for name, _, action in pairs}
