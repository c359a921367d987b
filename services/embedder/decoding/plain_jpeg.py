"""Recognition of JPEGs that all decoders show alike: upright, in YCbCr, without a profile."""

import io
import struct
from dataclasses import dataclass

from PIL import Image

from shared.media import image_headers

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}
"""All with Huffman codes."""
_OTHER_FRAMES = frozenset({0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_SCAN = 0xDA
_SEGMENTS = 64
_LONGEST = 8
"""Times the short side; scaled as a whole, a longer picture takes too much memory."""


@dataclass(frozen=True)
class PlainJpeg:
    """A JPEG of 8 bits and three channels that needs only decoding.

    `size`: width and height. `format`: what decoders may show differently: the kind of frame, and
    the pixels (across x down) that share a colour, like `baseline 2x2`.
    """

    size: tuple[int, int]
    format: str


def plain_jpeg(data: bytes, max_pixels: int) -> PlainJpeg | None:
    """Return what the headers of a plain JPEG say; None for every other file.

    Damage behind the headers is the decoder's to find.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at, found = 2, None
    for _ in range(_SEGMENTS):
        if at + 4 > len(data) or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _STANDALONE or marker in _OTHER_FRAMES:
            return None
        if marker == _SCAN:
            return found
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if marker in _FRAMES:
            found = _frame(_FRAMES[marker], body, max_pixels)
            if found is None:
                return None
        elif not _is_harmless(marker, body):
            return None
        at += 2 + length
    return None


def _frame(kind: str, body: bytes, max_pixels: int) -> PlainJpeg | None:
    if len(body) < 15:
        return None
    bits, height, width, channels = struct.unpack_from(">BHHB", body)
    if bits != 8 or channels != 3 or not 0 < height * width <= max_pixels:
        return None
    if max(width, height) > _LONGEST * min(width, height):
        return None
    # Of each channel: its number, the samples across and down in a unit, a table.
    light, *colors = body[7], body[10], body[13]
    if any(samples != 0x11 for samples in colors):
        return None
    return PlainJpeg((width, height), f"{kind} {light >> 4}x{light & 15}")


def _is_harmless(marker: int, body: bytes) -> bool:
    """Return True unless a segment changes what is shown."""
    if marker == 0xE1 and body.startswith(b"Exif\0\0"):
        return image_headers.orientation(body) in (0, 1)
    if marker == 0xE1:
        # XMP may turn the picture, too.
        return b"Orientation" not in body
    if marker == 0xE2:
        # A colour profile, or further pictures of an MPO.
        return False
    if marker == 0xEE and body.startswith(b"Adobe"):
        return len(body) >= 12 and body[11] == 1
    return True


def blank_jpeg() -> bytes:
    """Return a grey picture, for a check."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(file, "JPEG")
    return file.getvalue()
