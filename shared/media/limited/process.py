"""Processes that read hostile files: how one is started, limits itself, and hears its service.

Two pools have such processes: that of the embedder's pictures, on its event loop, and that of
thumbnails, for threads.
"""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def launched(module: str, inherited: Sequence[int], *arguments: object) -> subprocess.Popen[bytes]:
    """Start `python -m module ARGUMENTS`, with open files that it inherits. Raises OSError."""
    return subprocess.Popen(  # noqa: S603
        # Silence Pillow's warnings about odd files; the service reports what matters.
        [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        pass_fds=inherited,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            # Stacks of more threads would count against the memory limit, and there is one process
            # a core.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
    )


def confine(memory_bytes: int) -> None:
    """Limit this process's memory; leave its end to the service."""
    # Ctrl-C in a terminal signals the whole process group; the service ends this process itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    # Hostile files are expected to crash it, and a core dump of gigabytes helps nobody.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def leave_room(memory_bytes: int) -> None:
    """Limit what this process takes from now on, beyond what it has, as loaded networks."""
    if sys.platform != "linux":
        return
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + memory_bytes, held + memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def bind_to(parent: int) -> None:
    """Have the kernel end this process when the service dies, even in the middle of a file.

    It also ends with the thread that started it, so that one must live as long as the service.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def received(service: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes, or none if the service has closed the socket."""
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        count = service.recv_into(view)
        if not count:
            return b""
        view = view[count:]
    return bytes(buffer)
