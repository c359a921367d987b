"""The child process: reads pictures from standard input, and writes their words as JSON."""

import json
import logging
import os
import signal
import sys
from contextlib import suppress

from services.indexer.reading import reader
from shared.media.limited.process import bind_to, leave_room

log = logging.getLogger(__name__)

_LOWEST = 19
_NETWORKS = 2**31
"""Address space of the networks, which are loaded at the first picture."""
_TOO_MUCH = "Reading the text takes more memory than ISE_DECODE_BYTES."


def main(
    parent: int, threads: int, max_pixels: int, picture_cpu_s: float, memory_bytes: int
) -> None:
    """Read until the input or the parent process ends. memory_bytes: for pictures, beside the
    networks.
    """
    # It would load its networks for nobody, and at the lowest priority that takes long.
    bind_to(parent)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever a library prints must not come between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with suppress(OSError, AttributeError):
        os.nice(_LOWEST)
    # The libraries are those of the extra; nothing else loads them.
    from services.indexer.reading.ocr import Ocr
    from shared.core.errors import ISEError

    ocr = Ocr(threads, max_pixels)
    leave_room(_NETWORKS + memory_bytes)

    def answer(body: dict[str, object]) -> None:
        answers.write(json.dumps(body).encode() + b"\n")
        answers.flush()

    answer({"reader": ocr.name})
    while len(head := sys.stdin.buffer.read(reader.HEAD.size)) == reader.HEAD.size:
        data = sys.stdin.buffer.read(*reader.HEAD.unpack(head))
        # Its signal ends the process.
        signal.setitimer(signal.ITIMER_PROF, picture_cpu_s)
        try:
            answer({"words": [word.model_dump() for word in ocr.read(data)]})
        except ISEError as error:
            answer({"error": error.detail})
        except MemoryError:
            answer({"error": _TOO_MUCH})
        except Exception as error:
            # Whatever is wrong with a library, it concerns this picture alone.
            log.exception("a picture can't be read")
            answer({"error": f"Unexpected {type(error).__name__}; see the log."})


if __name__ == "__main__":
    parent, threads, pixels, cpu_s, memory = sys.argv[1:]
    main(int(parent), int(threads), int(pixels), float(cpu_s), int(memory))
