"""Files that are, or look like, pictures that can't be used; each real, none of them large."""

import io
import struct
import zlib

from PIL import Image


def png_bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A PNG of that size on paper, with next to no pixels."""
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", ihdr)
        + _chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + _chunk(b"IEND", b"")
    )


def plain_png(width: int, height: int) -> bytes:
    """A whole PNG of one colour: all its pixels in next to no bytes."""
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    deflate = zlib.compressobj(9)
    row = b"\0" * (3 * width + 1)
    rows = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", ihdr) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    )


def scan_bomb(side: int = 6000, scans: int = 20_000) -> bytes:
    """A progressive JPEG that goes over its pixels again and again: minutes of work."""
    buffer = io.BytesIO()
    Image.new("L", (side, side), 100).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * scans + b"\xff\xd9"


def one_pixel() -> bytes:
    """The kind of picture that counts visitors."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "GIF")
    return buffer.getvalue()


def quick(good: bytes) -> list[bytes]:
    """One of each kind that is told by its first look, made of a good file."""
    return [
        b"",
        one_pixel(),
        good[: len(good) // 2],
        good[:20],
        png_bomb(),
        b"%PDF-1.7 and so on",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
