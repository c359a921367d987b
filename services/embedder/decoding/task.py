"""What a decoding process is asked, and what it answers: the bytes on the socket between them.

A request is a header, a Task as JSON and the file; an answer is a header and plain bytes.
"""

import json
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Self

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

    @classmethod
    def read(cls, text: bytes) -> Self:
        """What `request` wrote."""
        found = json.loads(text)
        told: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in found["preprocessing"].items()
        }
        return cls(Preprocessing(**told), found["max_pixels"])

    def request(self, data: bytes) -> bytes:
        """The bytes that ask for it."""
        task = json.dumps(asdict(self)).encode()
        return REQUEST.pack(len(task), len(data)) + task + data
