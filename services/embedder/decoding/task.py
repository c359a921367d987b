"""Protocol of the decoding processes: the bytes on the socket between them and the service.

A request is a header, a Task as JSON and the file; an answer is a header and plain bytes. Files and
pixels go through memory that both share, where they fit into their part of it; else they follow on
the socket.
"""

import json
import math
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Self

from PIL import Image

from services.embedder.preprocess import Preprocessing

SHARED_FILE = 8 * 2**20
SHARED_PIXELS = 4 * 2**20
"""Bytes of the shared memory for a file, and after it for pixels. Pages that are never used take
no memory."""

REQUEST = struct.Struct("<II")
"""Bytes of the task, bytes of the file."""

PICTURE = struct.Struct("<IIII")
"""Width and height of the upright picture, as far as it was decoded, bytes of the note, and of the
colours."""

ANSWER = struct.Struct("<BIf")
"""Outcome, bytes that follow, seconds that it took."""


class Outcome(IntEnum):
    """Result of decoding one file, and the layout of the bytes that follow the header."""

    READY = 0
    """The process has started; no data follows."""
    PIXELS = 1
    """A PICTURE, its note and colours, then (height, width, 3) uint8, as the task's preprocessing
    crops; the last in shared memory where they fit."""
    REFUSED = 2
    """A sentence for the user."""
    OUT_OF_MEMORY = 3
    """No data follows."""


@dataclass(frozen=True)
class Task:
    """Decoding instructions for a file.

    `crop`: the relevant box, in fractions: x, y, width and height. `colors`: also tell the shares
    of its colours.
    """

    preprocessing: Preprocessing
    max_pixels: int
    crop: tuple[float, float, float, float] | None = None
    colors: bool = False

    @property
    def least(self) -> int:
        """Pixels a side beyond which more of the whole picture make no difference."""
        least = self.preprocessing.least
        return least if self.crop is None else math.ceil(least / min(self.crop[2:]))

    def cropped(self, image: Image.Image) -> Image.Image:
        """The box of a decoded picture, at least a pixel each way."""
        if self.crop is None:
            return image
        x, y, width, height = self.crop
        box = (
            math.floor(x * image.width),
            math.floor(y * image.height),
            min(image.width, math.ceil((x + width) * image.width)),
            min(image.height, math.ceil((y + height) * image.height)),
        )
        return image.crop(box)

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Parse the output of `request`."""
        found = json.loads(text)
        body: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in found["preprocessing"].items()
        }
        crop = found["crop"]
        return cls(
            Preprocessing(**body),
            found["max_pixels"],
            None if crop is None else (*crop,),
            found["colors"],
        )

    @property
    def pixels(self) -> int:
        """Bytes of the pixels of an answer."""
        height, width = self.preprocessing.crop
        return height * width * 3

    def request(self, data: bytes, shared: memoryview) -> bytes:
        """Put a file into shared memory if it fits; return the bytes that ask for it."""
        task = json.dumps(asdict(self)).encode()
        head = REQUEST.pack(len(task), len(data)) + task
        if len(data) > SHARED_FILE:
            return head + data
        shared[: len(data)] = data
        return head
