"""A scaling process: `python -m shared.media.limited.worker SOCKET BYTES SECONDS`.

It makes a thumbnail of one file after the other from the inherited socket, and ends when the other
end is closed. Its memory and its time are limited, so that a hostile file affects it alone.
"""

import io
import signal
import socket
import struct
import sys
from enum import IntEnum

from shared.core.errors import BadImage, Unavailable
from shared.media import images
from shared.media.limited.process import confine, received

REQUEST = struct.Struct("<IQQ")
"""Pixels of the thumbnail's longer side, most pixels of the file, bytes of the file."""
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
            pixels, max_pixels, size = REQUEST.unpack(header)
            outcome, body = _scaled(received(service, size), pixels, max_pixels)
            signal.setitimer(signal.ITIMER_PROF, 0)
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


if __name__ == "__main__":
    main(sys.argv)
