"""Runs a command that ends when its parent does: `leash.py PARENT_PID COMMAND...`.

A parent that is killed can't end its children; the kernel can. Asking it for that in the child,
between fork and exec, isn't safe in a process with threads; so this small program asks, and then
becomes the command. Only the standard library: it is run as a file, before any path is set up.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    parent, command = int(argv[1]), argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent ended before prctl
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv)
