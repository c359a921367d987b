"""PNG without unneeded chunks that a decoder fails on.

Pillow refuses a whole picture because of one text with a wrong checksum, or many long texts.
Pixels, palette and transparency are unchanged; other chunks are kept if they are valid and used.
"""

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_USED = frozenset({b"tRNS", b"gAMA", b"sRGB", b"iCCP", b"eXIf"})
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_XMP = b"XML:com.adobe.xmp\0"
_RAW_EXIF = b"Raw profile type exif\0"
_LONGEST = 2**20
"""Bytes of a text or profile once it is unpacked."""
_MOST = 8192
"""Chunks other than pixels."""


def without_texts(data: bytes) -> bytes:
    """Return the same picture, with the parts that tell how to show its pixels alone."""
    kept: list[bytes | memoryview] = [_SIGNATURE]
    seen: set[bytes] = set()
    whole = memoryview(data)
    for kind, at, size in _chunks(data):
        chunk = whole[at - 8 : at + size + 4]
        if kind in _PIXELS or _is_used(kind, chunk, seen):
            kept.append(chunk)
    return b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk, and where its content stands; the last one may be cut off."""
    at, others = len(_SIGNATURE), 0
    while at + 8 <= len(data) and others < _MOST:
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, size
        others += kind != b"IDAT"
        at += 12 + size
        if kind == b"IEND":
            return


def _is_used(kind: bytes, chunk: memoryview, seen: set[bytes]) -> bool:
    """Tell whether a chunk says something of the picture that is shown, once, and is intact."""
    if kind not in _USED and kind not in _TEXTS:
        return False
    body = bytes(chunk[8:-4])
    name: bytes | None = kind
    if kind in _TEXTS:
        name = next((key for key in (_XMP, _RAW_EXIF) if body.startswith(key)), None)
    (size,) = struct.unpack(">I", chunk[:4])
    if name is None or name in seen or len(chunk) != 12 + size:
        return False
    if zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0] or not _is_short(kind, body):
        return False
    seen.add(name)
    return True


def _is_short(kind: bytes, body: bytes) -> bool:
    """Tell whether a text or a profile is of moderate length once it is unpacked."""
    if kind in (b"iCCP", b"zTXt"):
        return _unpacks(body.partition(b"\0")[2][1:])
    if kind == b"iTXt" and body[len(_XMP) : len(_XMP) + 1] == b"\1":
        return _unpacks(body[len(_XMP) + 2 :].split(b"\0", 2)[-1])
    return len(body) <= _LONGEST


def _unpacks(packed: bytes) -> bool:
    unpacker = zlib.decompressobj()
    try:
        return len(unpacker.decompress(packed, _LONGEST)) < _LONGEST and unpacker.eof
    except zlib.error:
        return False
