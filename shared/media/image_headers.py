"""Limits on the headers of picture files, checked before a plugin reads them.

Pillow reads headers in Python, part by part, and several TIFF tags may share the same bytes: so a
small file can take minutes, or all memory, before its size is known.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from shared.core.errors import BadImage

_PARTS = 4096
"""Largest number of segments, chunks or blocks before the pixels; cameras write some hundreds."""
_FILLING = 65_536
_TEXTS = 16
"""Number of compressed PNG texts that Pillow may unpack, up to a MiB each; with more, none are."""
_LONGEST_EXIF = 2**20
"""Largest Exif that is read; a JPEG's segments have 64 KiB, and some cameras use a second one."""
_NUMBERS = 65_536 * 4
"""Most numbers in one TIFF tag: a palette of 16 bits has 196,608.

Texts and bytes are not counted.
"""

_ORIENTATION = 0x0112
_DIRECTORIES = frozenset({0x8769, 0x8825})
"""Tags of the Exif and the GPS directory."""
_SHORT = 3
# Bytes of a value for each type of TIFF 6.0 and BigTIFF.
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BYTES |= {16: 8, 17: 8, 18: 8}
_SINGLE = frozenset({1, 2, 6, 7})
_EXIF = b"Exif\0\0"
_APP1, _SCAN = 0xE1, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers of a frame's head, which has its size."""
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})


def check(kind: str, data: bytes) -> None:
    """Raise BadImage if the header of a file of that format exceeds what cameras write.

    Damaged headers pass, because the plugin reports them.
    """
    if (parts_of := _PARTS_OF.get(kind)) is None:
        return
    try:
        for count, _ in enumerate(parts_of(data)):
            if count == _PARTS:
                raise BadImage(f"There are over {_PARTS:,} parts of metadata before its pixels.")
    except (struct.error, IndexError):
        return


def is_absurd_exif(tiff: bytes, most: int = _LONGEST_EXIF) -> bool:
    """Tell whether tags are more than a camera writes, so that reading them takes minutes or all
    memory. They are those of an Exif block, or of a TIFF: its own, and its Exif and GPS directory.
    """
    tiff = tiff.removeprefix(_EXIF)
    if len(tiff) > most:
        return True
    order, is_big = _order(tiff), _is_big(tiff)
    starts: list[int | None] = [None]
    try:
        for parts, (start, tag, kind, count, at) in enumerate(_directories(tiff, starts)):
            if parts == _PARTS:
                return True
            if start is None and tag in _DIRECTORIES and kind in (4, 13) and count == 1:
                starts.append(struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", tiff, at)[0])
    except BadImage:
        return True
    except struct.error:
        # Damaged ones end early for the plugin, too.
        return False
    return False


def without_exif(data: bytes) -> bytes:
    """Return a JPEG whose Exif tells no more than which side is up."""
    kept, turned, at = bytearray(data[:2]), 0, 2
    with suppress(struct.error, IndexError):
        for marker, begin, end in _segments(data):
            if marker == _SCAN:
                break
            if marker == _APP1 and data[begin + 4 : begin + 10] == _EXIF:
                turned = turned or orientation(data[begin + 4 : end])
                kept += data[at:begin]
                at = end
    return bytes(data[:2] + _turned(turned) + kept[2:] + data[at:])


def upright(data: bytes) -> bytes:
    """Return a JPEG that is shown as its pixels lie: of several orientations the first counts."""
    return data[:2] + _turned(1) + data[2:]


def _turned(orientation: int) -> bytes:
    """Return a segment with Exif of one tag: the orientation, one short number."""
    tiff = b"II*\0" + struct.pack("<IHHHIII", 8, 1, _ORIENTATION, _SHORT, 1, orientation, 0)
    block = _EXIF + tiff
    return b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block


def exif_of_jpeg(data: bytes) -> bytes:
    """Return the Exif of a JPEG, as Pillow joins it; it may be longer than what is read."""
    exif = bytearray()
    with suppress(struct.error, IndexError):
        for marker, begin, end in _segments(data):
            if marker == _SCAN or len(exif) > _LONGEST_EXIF:
                break
            if marker == _APP1 and data[begin + 4 : begin + 10] == _EXIF:
                exif += data[begin + 10 : end]
    return bytes(exif)


def size_of_jpeg(data: bytes) -> tuple[int, int]:
    """Return width and height by a JPEG's head, as its pixels lie; (0, 0) if it has none."""
    with suppress(struct.error, IndexError, BadImage):
        for marker, begin, _ in islice(_segments(data), _PARTS):
            if marker in _FRAMES:
                height, width = struct.unpack_from(">HH", data, begin + 5)
                return width, height
    return 0, 0


def orientation(exif: bytes) -> int:
    """Return the EXIF orientation (2.32, tag 0x0112), 0 if there is none."""
    tiff = exif.removeprefix(_EXIF)
    order = _order(tiff)
    with suppress(struct.error):
        for tag, kind, _, at in islice(_entries(tiff, order, is_big=False), _PARTS):
            if tag == _ORIENTATION and kind == _SHORT:
                return int(struct.unpack_from(f"{order}H", tiff, at)[0])
    return 0


def _jpeg(data: bytes) -> Iterator[Any]:
    for marker, _, _ in _segments(data):
        if marker == _SCAN:
            return
        yield marker


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment, where it begins and where it ends. Raises BadImage."""
    at, filling = 2, 0
    while True:
        begin = data.find(b"\xff", at)
        filling += (begin if begin >= 0 else len(data)) - at
        while begin >= 0 and filling <= _FILLING and data[begin + 1] in (0x00, 0xFF):
            begin, filling = begin + 1, filling + 1
        if filling > _FILLING:
            raise BadImage(f"There are over {_FILLING:,} bytes of nothing before its pixels.")
        if begin < 0:
            return
        marker = data[begin + 1]
        at = begin + 2
        if marker not in _NO_LENGTH and marker != _SCAN:
            at += struct.unpack_from(">H", data, at)[0]
        yield marker, begin, at


def _png(data: bytes) -> Iterator[Any]:
    at = 8
    while True:
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"IDAT", b"IEND"):
            return
        yield kind
        at += 12 + size


def has_many_texts(data: bytes) -> bool:
    """Tell whether a PNG has more packed texts than Pillow should unpack."""
    at, texts = 8, 0
    with suppress(struct.error):
        for _ in range(2 * _PARTS):
            size, kind = struct.unpack_from(">I4s", data, at)
            if kind == b"IEND":
                return False
            texts += kind == b"zTXt" or (kind == b"iTXt" and _is_packed(data[at + 8 : at + 96]))
            if texts > _TEXTS:
                return True
            at += 12 + size
        # After this many chunks the rest is not checked, so assume the worst.
        return True
    return False


def _is_packed(text: bytes) -> bool:
    """Return whether an iTXt chunk, given its start, is compressed: a keyword, a zero, and the
    flag.
    """
    return text.partition(b"\0")[2][:1] == b"\1"


def _gif(data: bytes) -> Iterator[Any]:
    flags = data[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while data[at] == 0x21:
        at += 2
        while size := data[at]:
            yield at
            at += 1 + size
        yield at
        at += 1


def _tiff(data: bytes) -> Iterator[Any]:
    """Yield the tags of the first picture; the others aren't read."""
    for _, tag, _, _, _ in _directories(data, [None]):
        yield tag


def _directories(
    tiff: bytes, starts: list[int | None]
) -> Iterator[tuple[int | None, int, int, int, int]]:
    """Yield the tags of directories, each with where its directory starts; None is the first.

    `starts` may grow meanwhile. Raises BadImage where tags announce more than there can be.
    """
    order, is_big, announced = _order(tiff), _is_big(tiff), 0
    for start in starts:
        for tag, kind, count, at in _entries(tiff, order, is_big, start):
            if kind not in _SINGLE and count > _NUMBERS:
                raise BadImage(
                    f"Its tag {tag} has {count:,} numbers, over the limit of {_NUMBERS:,}."
                )
            announced += _BYTES.get(kind, 0) * count
            if announced > len(tiff):
                raise BadImage("Its tags announce more bytes than the file has.")
            yield start, tag, kind, count, at


def _is_big(tiff: bytes) -> bool:
    return tiff[2:3] == b"+" or tiff[3:4] == b"+"


def _order(tiff: bytes) -> str:
    return ">" if tiff[:2] == b"MM" else "<"


def _entries(
    tiff: bytes, order: str, is_big: bool, start: int | None = None
) -> Iterator[tuple[int, int, int, int]]:
    """Number, type and count of each tag of a directory, by default the first, and where its value
    stands.
    """
    if is_big:
        head, entry, first = f"{order}Q", f"{order}HHQ", struct.unpack_from(f"{order}Q", tiff, 8)[0]
    else:
        head, entry, first = f"{order}H", f"{order}HHI", struct.unpack_from(f"{order}I", tiff, 4)[0]
    first = first if start is None else start
    at = first + struct.calcsize(head)
    for _ in range(struct.unpack_from(head, tiff, first)[0]):
        tag, kind, count = struct.unpack_from(entry, tiff, at)
        value = at + struct.calcsize(entry)
        yield tag, kind, count, value
        at = value + (8 if is_big else 4)


_PARTS_OF: dict[str, Callable[[bytes], Iterator[Any]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "TIFF": _tiff,
}
