"""Truncated or damaged pictures: decoding what can be read, and its share.

Pillow has a switch for that which affects the whole process. Here a picture is decoded twice
instead, over different backgrounds: pixels that differ between the two were never written.
"""

import math
import re
import struct
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFile

_EOI = b"\xff\xd9"
_GREY = 128
# Begin with a zero byte, in case the file ends in the middle of a marker.
_NOISE = b"\0" + np.random.default_rng(1).integers(0, 255, 4096, dtype=np.uint8).tobytes()
_BACKGROUNDS = {"F": (0, 1), "I": (0, 255), "1": (0, 255)}

PARTIAL = frozenset({"JPEG", "PNG", "TIFF", "BMP", "PPM"})
"""Formats whose decoders write pixels as they come. Of the others a part can't be read."""

Open = Callable[[bytes], ImageFile.ImageFile]


def read_partly(kind: str, data: bytes, opened: Open) -> tuple[Image.Image, float]:
    """Return a picture as far as it can be decoded, the rest grey, and the share that was.

    The image has the `info` of the file. Raises whatever the plugin makes of its header.
    """
    if kind == "JPEG":
        return _jpeg(data, opened)
    opened_first = opened(data)
    picture = _over(opened_first, 0)
    missing = np.asarray(picture) != np.asarray(_over(opened(data), 1))
    if missing.ndim == 3:
        missing = missing.any(axis=2)
    share = 1.0 - float(np.count_nonzero(missing)) / missing.size
    if share < 1.0:
        _fill(picture, missing)
    if picture.mode == "P" and opened_first.palette is not None:
        picture.palette = opened_first.palette
    picture.info = dict(opened_first.info)
    return picture, share


def _jpeg(data: bytes, opened: Open) -> tuple[Image.Image, float]:
    """Decode a JPEG as far as possible: with an end marker its decoder finishes, and the rest is
    grey.

    In a baseline JPEG, other bits at the end change only the missing part.
    """
    image = opened(data + _EOI)
    image.load()
    if (share := _share_of_scans(data)) is not None:
        return image, share
    other = opened(data + _NOISE + _EOI)
    with suppress(OSError):
        other.load()
    changed = np.flatnonzero(
        (np.asarray(image) != np.asarray(other)).reshape(image.height, -1).any(1)
    )
    return image, float(changed[0]) / image.height if changed.size else 1.0


def _over(image: ImageFile.ImageFile, background: int) -> Image.Image:
    """Decode as far as it goes, over pixels of one value."""
    # A rotated TIFF has another size until it is turned, which happens last.
    size = getattr(image, "_tile_size", image.size)
    value = _BACKGROUNDS.get(image.mode, (0, 255))[background]
    bands = len(image.getbands())
    image.im = Image.new(image.mode, size, value if bands == 1 else (int(value),) * bands).im
    with suppress(OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error):
        image.load()
    return Image.Image()._new(image.im)


def _fill(picture: Image.Image, missing: NDArray[np.bool_]) -> None:
    """Give pixels that are missing between others the value of a neighbour, all others grey.

    An interlaced picture lacks every other row or column where its last pass is missing.
    """
    for axis in (0, 1):
        before, after = np.roll(missing, 1, axis), np.roll(missing, -1, axis)
        edge = (slice(None), 0) if axis else (0,)
        before[edge] = True
        alone = missing & ~before & ~after
        shifted = ImageChops.offset(picture, axis, 1 - axis)
        picture.paste(shifted, (0, 0), Image.fromarray(alone))
        missing &= ~alone
    bands = len(picture.getbands())
    grey = 0.5 if picture.mode == "F" else _GREY
    picture.paste(
        grey if bands == 1 else (_GREY,) * bands, (0, 0, *picture.size), Image.fromarray(missing)
    )


def _share_of_scans(data: bytes) -> float | None:
    """Return the readable share of a progressive JPEG; None for a baseline one.

    Each scan adds some bits of some coefficients of some components. The last one may be complete
    or have hardly begun, so half of it counts.
    """
    at, components, progressive = 2, 0, False
    with suppress(struct.error, IndexError):
        while True:
            at = data.index(b"\xff", at)
            while data[at + 1] == 0xFF:
                at += 1
            marker = data[at + 1]
            size = struct.unpack_from(">H", data, at + 2)[0]
            if marker in (0xC0, 0xC1, 0xC2):
                components, progressive = data[at + 9], marker == 0xC2
            if marker == 0xDA:
                break
            at += 2 + size
        gains: list[float] = []
        plain = not progressive and data[at + 4] >= components
        for found in re.finditer(rb"\xff\xda", data[at:]):
            gains.append(_gain(data, at + found.start() + 4, progressive))
        if plain or not gains or not components:
            return None
        return min(1.0, (sum(gains) - gains[-1] / 2) / components)
    return None


_BITS = 8
"""Bits of a coefficient; an approximation, because the first ones have more."""


def _gain(data: bytes, at: int, progressive: bool) -> float:
    """Return the share of components that a scan brings, by the header of it."""
    count = data[at]
    if not progressive:
        return float(count)
    first, last, bits = data[at + 1 + 2 * count : at + 4 + 2 * count]
    high, low = bits >> 4, bits & 15
    gained = 1 if high else _BITS - low
    return count * (last - first + 1) / 64 * gained / _BITS


def note_of(share: float, truncated: bool) -> str:
    """Return the sentence that tells how much of a picture was read."""
    what = "The file ends early" if truncated else "The file is damaged"
    if share >= 1.0:
        return f"{what}; all of its pixels were read."
    return f"{what}; {math.floor(100 * share)} % of it was read."
