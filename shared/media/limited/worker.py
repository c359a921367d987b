"""A scaling process: `python -m shared.media.limited.worker SOCKET BYTES SECONDS`.

It makes a thumbnail of one file after the other from the inherited socket, and ends when the other
end is closed. Its memory and its time are limited, so that a hostile file affects it alone.
"""

import io
import math
import resource
import signal
import socket
import struct
import sys
from enum import IntEnum

from shared.core.errors import BadImage, Unavailable
from shared.media import images

REQUEST = struct.Struct("<IQQ")
"""Pixels of the thumbnail's longer side, most pixels of the file, bytes of the file."""
ANSWER = struct.Struct("<BI")
"""Outcome, bytes that follow."""
_LATE_S = 2
"""Seconds by which the process outlives its limit; by then the service has ended it."""


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
    seconds = math.ceil(float(argv[3])) + _LATE_S
    # Ctrl-C in a terminal signals the whole process group; the service ends this process itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # Hostile files are expected to crash it, and a core dump of gigabytes helps nobody.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=fd) as service:
        service.sendall(ANSWER.pack(Outcome.READY, 0))
        while header := _received(service, REQUEST.size):
            # If the service was killed meanwhile, nobody else would end a decoding that hangs.
            signal.alarm(seconds)
            pixels, max_pixels, size = REQUEST.unpack(header)
            outcome, body = _scaled(_received(service, size), pixels, max_pixels)
            signal.alarm(0)
            service.sendall(ANSWER.pack(outcome, len(body)) + body)


def _scaled(data: bytes, pixels: int, max_pixels: int) -> tuple[Outcome, bytes]:
    try:
        image = images.decode(data, max_pixels, least=pixels)
        image.thumbnail((pixels, pixels))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=85, progressive=True)
        return Outcome.SCALED, out.getvalue()
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


if __name__ == "__main__":
    main(sys.argv)
