"""Files of several pictures: animations, pages, photos with a video, told by their heads alone.

Everything else of the program sees the first picture of a file, so two files that begin alike may
still differ.
"""

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice

from PIL.MpoImagePlugin import MpoImageFile

from shared.core.errors import BadImage
from shared.media import images
from shared.media.boxes import boxes
from shared.media.formats import format_of
from shared.media.jxl_head import head_of
from shared.media.raw import RAW

SINGLE = frozenset({"BMP", *RAW})
"""Formats of one picture: what else a RAW holds is its preview."""
_MOST = 500_000
"""Blocks of a file that are looked at; past them it counts as one of several pictures."""
_GIF_EXTENSION, _GIF_PICTURE = 0x21, 0x2C
_COLOURS = 0x80
"""Flag of a GIF's table of colours."""
_SUBFILE = 254
"""TIFF tag of what a page is; its lowest bit: a smaller copy, its third: a mask."""
_NOT_A_PAGE = 0b101
_MOTION = re.compile(rb"(?:Micro|Motion)(?:Photo|Video)(?:=[\"']|>)\s*1\b")
"""XMP of a photo that a video follows, as phones write it."""
_MOTION_TRAILER = b"MotionPhoto_Data"
_NEAR = 2**18
"""Bytes at the beginning of a file that may tell of a video."""
_INDEX, _ENTRIES = b"MPF\0", 0xB002
"""Mark of an index of several JPEGs in one file, and the tag of its list."""
_MAPS_OF_LIGHT = (b"hdrgm", b"HDRGainMap", b"urn:iso:std:iso:ts:21496")


def has_several(data: bytes) -> bool:
    """Tell whether a file holds more than one picture.

    Smaller copies and masks don't count. What can't be read ends the search, as it does for a
    viewer.
    """
    of_format = _PICTURES.get(format_of(data) or "")
    if of_format is None:
        return False
    found = 0
    with suppress(struct.error, IndexError, ValueError):
        for number, is_picture in enumerate(of_format(data)):
            found += is_picture
            if found > 1 or number > _MOST:
                return True
    return False


def _jpeg(data: bytes) -> Iterator[bool]:
    """A video behind a photo counts; a preview or a map of its light is no other picture."""
    yield True
    # The name of the trailer stands before the video.
    yield _moves(data) or _MOTION_TRAILER in data or _has_other_views(data)


def _moves(data: bytes) -> bool:
    return _MOTION.search(data, 0, _NEAR) is not None


def _has_other_views(data: bytes) -> bool:
    """Tell whether more pictures follow a JPEG: another eye's, or of a row; its index says which.

    A thumbnail and a map of light, whose kind is undefined, are no other picture.
    """
    if _INDEX not in data[:_NEAR]:
        return False
    try:
        _, image = images.opened(data)
        entries = MpoImageFile.adopt(image).mpinfo[_ENTRIES]  # type: ignore[arg-type, index]
    except BadImage:
        return False
    except (KeyError, OSError, SyntaxError, TypeError, ValueError, struct.error):
        # Nobody knows, so it is left alone.
        return True
    kinds = {entry["Attribute"]["MPType"] for entry in entries[1:]}
    is_undefined = "Undefined" in kinds and not any(mark in data for mark in _MAPS_OF_LIGHT)
    return is_undefined or any(kind.startswith("Multi-Frame") for kind in kinds)


def _gif(data: bytes) -> Iterator[bool]:
    at = 13 + _colours(data[10])
    while (kind := data[at]) in (_GIF_EXTENSION, _GIF_PICTURE):
        is_picture = kind == _GIF_PICTURE
        at += 10 + _colours(data[at + 9]) + 1 if is_picture else 2
        yield is_picture
        while size := data[at]:
            yield False
            at += 1 + size
        at += 1


def _colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & _COLOURS else 0


def _png(data: bytes) -> Iterator[bool]:
    at, frames, is_frame = 8, 0, False
    while True:
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", data, at + 8)
        is_frame |= kind == b"fcTL"
        if kind in (b"IDAT", b"IEND"):
            # The picture that others see may come before the first frame.
            count = frames + (not is_frame)
            yield from (True for _ in range(min(count, 2)))
            return
        yield False
        at += 12 + size


def _webp(data: bytes) -> Iterator[bool]:
    at = 12
    while True:
        kind, size = struct.unpack_from("<4sI", data, at)
        yield kind == b"ANMF"
        at += 8 + size + size % 2


def _tiff(data: bytes) -> Iterator[bool]:
    order = ">" if data[:2] == b"MM" else "<"
    is_big = 43 in (data[2], data[3])
    offset, head, entry = ("Q", "Q", "HHQQ") if is_big else ("I", "H", "HHII")
    (at,) = struct.unpack_from(order + offset, data, 8 if is_big else 4)
    while at:
        (count,) = struct.unpack_from(order + head, data, at)
        at += struct.calcsize(order + head)
        is_page = True
        for _ in range(count):
            tag, kind, _, value = struct.unpack_from(order + entry, data, at)
            at += struct.calcsize(order + entry)
            if tag == _SUBFILE:
                if order == ">" and kind == 3:
                    value >>= 16 if not is_big else 48
                is_page = not value & _NOT_A_PAGE
            yield False
        yield is_page
        (at,) = struct.unpack_from(order + offset, data, at)


def _heif(data: bytes) -> Iterator[bool]:
    """Sequences have a track beside the still picture, and photos that move a video; else its items
    are counted.
    """
    if _moves(data) or any(box.kind in (b"moov", b"mpvd") for box in boxes(data)):
        yield from (True, True)
        return
    try:
        _, image = images.opened(data)
    except BadImage:
        return
    yield from islice((True for _ in range(getattr(image, "n_frames", 1))), 2)


def _jxl(data: bytes) -> Iterator[bool]:
    yield from (True for _ in range(2 if head_of(data).is_animated else 1))


_PICTURES: dict[str, Callable[[bytes], Iterator[bool]]] = {
    "JPEG": _jpeg,
    "GIF": _gif,
    "PNG": _png,
    "WebP": _webp,
    "TIFF": _tiff,
    "AVIF": _heif,
    "HEIC": _heif,
    "JXL": _jxl,
}
