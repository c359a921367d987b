"""A decoding process: `python -m services.embedder.decoding.worker SOCKET MEMORY PARENT BYTES`.

It is asked for one file after the other on the inherited socket; files and pixels go through the
inherited memory. It ends with the service. Its memory
is limited, and its parent limits its time, so that a hostile file affects only this process. It
imports neither torch nor any web framework.
"""

import mmap
import socket
import sys
import time

from services.embedder.decoding.task import (
    ANSWER,
    PICTURE,
    REQUEST,
    SHARED_FILE,
    SHARED_PIXELS,
    Outcome,
    Task,
)
from shared.core.errors import BadImage, Unavailable
from shared.media.colors import packed, shares_of
from shared.media.images import read
from shared.media.limited.process import bind_to, confine, received

_MIN_PIXELS = 16


def main(argv: list[str]) -> None:
    fd, memory_fd, parent, memory = (int(argument) for argument in argv[1:])
    bind_to(parent)
    confine(memory)
    shared = mmap.mmap(memory_fd, SHARED_FILE + SHARED_PIXELS)
    with socket.socket(fileno=fd) as service:
        service.sendall(ANSWER.pack(Outcome.READY, 0, 0.0))
        while header := received(service, REQUEST.size):
            task_bytes, data_bytes = REQUEST.unpack(header)
            task = Task.read(received(service, task_bytes))
            is_shared = data_bytes <= SHARED_FILE
            data = shared[:data_bytes] if is_shared else received(service, data_bytes)
            started = time.perf_counter()
            outcome, body, pixels = _decoded(task, data)
            del data
            seconds = time.perf_counter() - started
            if len(pixels) <= SHARED_PIXELS:
                shared[SHARED_FILE : SHARED_FILE + len(pixels)] = pixels
            else:
                body += pixels
            service.sendall(ANSWER.pack(outcome, len(body), seconds) + body)


def _decoded(task: Task, data: bytes) -> tuple[Outcome, bytes, bytes]:
    """Return the outcome, its bytes for the socket, and the pixels."""
    try:
        picture = read(data, task.max_pixels, task.least)
        image = task.cropped(picture.image)
        if image.width * image.height < _MIN_PIXELS:
            raise BadImage(
                f"{image.width} x {image.height} pixels are too few; a picture needs at "
                f"least {_MIN_PIXELS}."
            )
        note = " ".join(picture.notes).encode()
        pixels = task.preprocessing(image)
        colors = packed(shares_of(pixels)) if task.colors else b""
        head = PICTURE.pack(*image.size, len(note), len(colors))
        return Outcome.PIXELS, head + note + colors, pixels.tobytes()
    except BadImage as error:
        return Outcome.REFUSED, error.detail.encode(), b""
    except (MemoryError, Unavailable):
        return Outcome.OUT_OF_MEMORY, b"", b""


if __name__ == "__main__":
    main(sys.argv)
