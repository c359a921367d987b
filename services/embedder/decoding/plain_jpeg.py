"""Recognition of JPEGs that all decoders show alike: upright, in YCbCr, without a profile."""

import io
import struct

from PIL import Image

from shared.media import image_headers

_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive, with Huffman codes."""
_OTHER_FRAMES = frozenset({0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_SCAN = 0xDA
_SEGMENTS = 64
_LONGEST = 8
"""Times the short side; scaled as a whole, a longer picture takes too much memory."""


def size_if_plain(data: bytes, max_pixels: int) -> tuple[int, int] | None:
    """Return width and height of a JPEG of 8 bits and three channels that needs only decoding.

    None for every other file. Reads headers alone; damage behind them is the decoder's to find.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at, size = 2, None
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
            return size
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if marker in _FRAMES:
            if len(body) < 6:
                return None
            bits, height, width, channels = struct.unpack_from(">BHHB", body)
            size = width, height
            if bits != 8 or channels != 3 or not 0 < height * width <= max_pixels:
                return None
            if max(size) > _LONGEST * min(size):
                return None
        elif not _is_harmless(marker, body):
            return None
        at += 2 + length
    return None


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
