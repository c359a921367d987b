"""What a decoding process is asked, and what it answers: the bytes on the socket between them.

A request is a header, a pickled Task and the file; only the service sends it. An answer is a header
and plain bytes: what comes from a process that read a hostile file is never unpickled.
"""

import pickle
import struct
from dataclasses import dataclass
from enum import IntEnum

from services.embedder.preprocess import Preprocessing

REQUEST = struct.Struct("<II")
"""Bytes of the task, bytes of the file."""

ANSWER = struct.Struct("<BIf")
"""Outcome, bytes that follow, seconds that it took."""


class Outcome(IntEnum):
    """What became of a file, and what follows the header."""

    READY = 0
    """The process has started; nothing follows."""
    PIXELS = 1
    """(height, width, 3) uint8, as the task's preprocessing crops."""
    REFUSED = 2
    """A sentence for the user."""
    OUT_OF_MEMORY = 3
    """Nothing follows."""


@dataclass(frozen=True)
class Task:
    """How a file is to be decoded."""

    preprocessing: Preprocessing
    max_pixels: int

    def request(self, data: bytes) -> bytes:
        """The bytes that ask for it."""
        task = pickle.dumps(self)
        return REQUEST.pack(len(task), len(data)) + task + data
