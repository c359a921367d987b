"""A scaling process: `python -m shared.media.limited.worker SOCKET BYTES SECONDS`.

It makes thumbnails, or key frames of videos, of one file after the other from the inherited socket,
and ends when the other end is closed. Its memory and its time are limited, so that a hostile file
affects it alone.
"""

import io
import os
import signal
import socket
import struct
import sys
from contextlib import nullcontext
from enum import IntEnum
from typing import BinaryIO

from shared.core.errors import BadImage, Unavailable
from shared.media import images
from shared.media.limited.process import confine, received

REQUEST = struct.Struct("<II?QQ")
"""Pixels of the longer side; how many key frames, 0 for a thumbnail; whether the data are the head
of a video whose open file follows them; most pixels of the file; bytes of the data."""
FRAME = struct.Struct("<dI")
"""Seconds from the beginning, bytes of the frame's PNG that follow."""
ANSWER = struct.Struct("<BI")
"""Outcome, bytes that follow."""
_LATE_S = 2
"""Processor time by which the process outlives its limit; by then the service has ended it."""


class Outcome(IntEnum):
    """Result of scaling one file."""

    READY = 0
    """The process has started; no data follows."""
    SCALED = 1
    """A JPEG."""
    REFUSED = 2
    """A sentence for the user."""
    OUT_OF_MEMORY = 3
    """No data follows."""


def main(argv: list[str]) -> None:
    fd, memory = int(argv[1]), int(argv[2])
    seconds = float(argv[3]) + _LATE_S
    confine(memory)
    with socket.socket(fileno=fd) as service:
        service.sendall(ANSWER.pack(Outcome.READY, 0))
        while header := received(service, REQUEST.size):
            # If the service was killed meanwhile, nobody else would end a decoding that hangs.
            signal.setitimer(signal.ITIMER_PROF, seconds)
            pixels, frames, is_head, max_pixels, size = REQUEST.unpack(header)
            data = received(service, size)
            with _file(service) if is_head else nullcontext() as file:
                outcome, body = _made(data, pixels, frames, max_pixels, file)
            del data
            signal.setitimer(signal.ITIMER_PROF, 0)
            service.sendall(ANSWER.pack(outcome, len(body)) + body)


def _file(service: socket.socket) -> BinaryIO:
    """Receive an open file."""
    _, descriptors, _, _ = socket.recv_fds(service, 1, 1)
    return os.fdopen(descriptors[0], "rb")


def _made(
    data: bytes, pixels: int, frames: int, max_pixels: int, file: BinaryIO | None
) -> tuple[Outcome, bytes]:
    try:
        if frames:
            return Outcome.SCALED, _frames(data, pixels, frames, max_pixels, file)
        if file is not None:
            return Outcome.SCALED, _poster(data, pixels, max_pixels, file)
        return Outcome.SCALED, _thumbnail(data, pixels, max_pixels)
    except BadImage as error:
        return Outcome.REFUSED, error.detail.encode()
    except (MemoryError, Unavailable):
        return Outcome.OUT_OF_MEMORY, b""


def _thumbnail(data: bytes, pixels: int, max_pixels: int) -> bytes:
    image = images.decode(data, max_pixels, least=pixels)
    image.thumbnail((pixels, pixels))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85, progressive=True)
    return out.getvalue()


def _poster(data: bytes, pixels: int, max_pixels: int, file: BinaryIO) -> bytes:
    (frame,) = images.key_frames(data, max_pixels, 1, pixels, file)
    out = io.BytesIO()
    frame.image.save(out, "JPEG", quality=90)
    return out.getvalue()


def _frames(data: bytes, pixels: int, most: int, max_pixels: int, file: BinaryIO | None) -> bytes:
    body = bytearray()
    for frame in images.key_frames(data, max_pixels, most, pixels, file):
        out = io.BytesIO()
        # Without loss, so that a frame has the same features as the poster that it may be.
        frame.image.save(out, "PNG", compress_level=1)
        body += FRAME.pack(frame.time_s, out.tell()) + out.getvalue()
    return bytes(body)


if __name__ == "__main__":
    main(sys.argv)
