"""A decoding process: `python -m services.embedder.decoding.worker SOCKET PARENT BYTES`.

It reads one file after the other from the inherited socket, and ends with the service. Its memory
is limited, and its parent limits its time, so that a hostile file affects only this process. It
imports neither torch nor any web framework.
"""

import ctypes
import os
import resource
import signal
import socket
import sys
import time

from services.embedder.decoding.task import ANSWER, PICTURE, REQUEST, Outcome, Task
from shared.core.errors import BadImage, Unavailable
from shared.media.images import read

_PR_SET_PDEATHSIG = 1
_MIN_PIXELS = 16


def main(argv: list[str]) -> None:
    fd, parent, memory = (int(argument) for argument in argv[1:])
    _bind_to(parent)
    # Ctrl-C in a terminal signals the whole process group; the service ends this process itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # Hostile files are expected to crash it, and a core dump of gigabytes helps nobody.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=fd) as service:
        service.sendall(ANSWER.pack(Outcome.READY, 0, 0.0))
        while header := _received(service, REQUEST.size):
            task_bytes, data_bytes = REQUEST.unpack(header)
            task = Task.read(_received(service, task_bytes))
            data = _received(service, data_bytes)
            started = time.perf_counter()
            outcome, body = _decoded(task, data)
            del data
            seconds = time.perf_counter() - started
            service.sendall(ANSWER.pack(outcome, len(body), seconds) + body)


def _decoded(task: Task, data: bytes) -> tuple[Outcome, bytes]:
    try:
        picture = read(data, task.max_pixels, task.least)
        image = task.cropped(picture.image)
        if image.width * image.height < _MIN_PIXELS:
            raise BadImage(
                f"{image.width} x {image.height} pixels are too few; a picture needs at "
                f"least {_MIN_PIXELS}."
            )
        note = " ".join(picture.notes).encode()
        head = PICTURE.pack(*image.size, len(note))
        return Outcome.PIXELS, head + note + task.preprocessing(image).tobytes()
    except BadImage as error:
        return Outcome.REFUSED, error.detail.encode()
    except (MemoryError, Unavailable):
        return Outcome.OUT_OF_MEMORY, b""


def _received(service: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes, or none if the service has closed the socket."""
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        count = service.recv_into(view)
        if not count:
            return b""
        view = view[count:]
    return bytes(buffer)


def _bind_to(parent: int) -> None:
    """Has the kernel end this process when the service dies, even in the middle of a file."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv)
