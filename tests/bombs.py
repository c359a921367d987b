"""Pictures that are small as files and large in memory or time, in each format; each is refused.

`python -m tests.bombs` tells of each how long that takes, and in how much memory.
"""

import io
import resource
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import pillow_heif
from PIL import Image

from shared.core.errors import BadImage

MIB = 2**20
Entry = tuple[int, int, int, int]
_SMALL = Image.radial_gradient("L").convert("RGB").resize((64, 48))


def saved(kind: str, image: Image.Image = _SMALL, **options: Any) -> bytes:
    """A picture, a small one if none is given, in that format."""
    out = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(image).save(out, **options)
    else:
        image.save(out, kind, **options)
    return out.getvalue()


def striped() -> Image.Image:
    """A picture that no sample has."""
    return Image.linear_gradient("L").resize((96, 40)).convert("RGB").rotate(30)


def _put(data: bytes, at: int, layout: str, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, at, *values)
    return bytes(changed)


def png_chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_with(chunks: bytes) -> bytes:
    """A PNG with chunks before its pixels."""
    whole = saved("PNG")
    at = whole.index(b"IDAT") - 4
    return whole[:at] + chunks + whole[at:]


def _zeros(size: int) -> bytes:
    deflate = zlib.compressobj(9)
    return b"".join(deflate.compress(bytes(MIB)) for _ in range(size // MIB)) + deflate.flush()


def _jpeg_with(segments: bytes) -> bytes:
    whole = saved("JPEG")
    return whole[:2] + segments + whole[2:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _gif_with(blocks: bytes) -> bytes:
    whole = saved("GIF")
    at = whole.index(b"\x2c\0\0\0\0")
    return whole[:at] + blocks + whole[at:]


def tiff(entries: list[Entry], rest: bytes = b"") -> bytes:
    """A TIFF of tags: number, type, count, value or place; `rest` stands behind them."""
    return b"II*\0" + struct.pack("<I", 8) + _directory(entries) + rest


def _directory(entries: list[Entry]) -> bytes:
    tags = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return struct.pack("<H", len(entries)) + tags + bytes(4)


def _tiff_picture(width: int, height: int, strips: int = 1, at: int = 8) -> list[Entry]:
    return [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, strips, at),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, strips, at),
    ]


def exif_of_copies(entries: int, size: int) -> bytes:
    """Exif whose tags all point to the same bytes: each would be read anew."""
    place = 8 + 2 + 12 * entries + 4
    return b"Exif\0\0" + tiff([(5000 + n, 7, size, place) for n in range(entries)], bytes(size))


def exif_in_exif(entries: int, size: int) -> bytes:
    """Exif whose second directory has such tags."""
    at = 8 + 2 + 12 + 4
    place = at + 2 + 12 * entries + 4
    inner = _directory([(5000 + n, 7, size, place) for n in range(entries)])
    return b"Exif\0\0" + tiff([(0x8769, 4, 1, at)], inner + bytes(size))


def _hex(exif: bytes) -> bytes:
    """Exif as older programs write it into a PNG's text."""
    return b"\nexif\n%8d\n" % len(exif) + exif.hex().encode()


def _in_webp(chunk: bytes, body: bytes) -> bytes:
    whole = saved("WEBP", exif=b"Exif\0\0" + bytes(8))
    at = whole.index(b"EXIF")
    head = whole[12:at]
    inner = head + chunk + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(inner)) + b"WEBP" + inner


def _jpeg_size() -> bytes:
    data = saved("JPEG")
    return _put(data, data.index(b"\xff\xc0") + 5, ">HH", 65500, 65500)


def _webp_lossy_size() -> bytes:
    data = saved("WEBP")
    return _put(data, data.index(b"\x9d\x01\x2a") + 3, "<HH", 16383, 16383)


def _webp_lossless_size() -> bytes:
    data = saved("WEBP", lossless=True)
    return _put(data, 21, "<I", 16383 | 16383 << 14)


def _webp_canvas() -> bytes:
    data = saved("WEBP", save_all=True, append_images=[_SMALL.rotate(90)])
    at = data.index(b"VP8X") + 12
    size = struct.pack("<I", 60_000)[:3]
    return data[:at] + size + size + data[at + 6 :]


def _gif_frame() -> bytes:
    data = saved("GIF")
    return _put(data, data.index(b"\x2c\0\0\0\0") + 5, "<HH", 65535, 65535)


def _boxed(kind: str) -> bytes:
    data = saved(kind)
    return _put(data, data.index(b"ispe") + 8, ">II", 16_384, 16_384)


def _bmp_size() -> bytes:
    return _put(saved("BMP"), 18, "<ii", 100_000, 100_000)


SIZES: dict[str, Callable[[], bytes]] = {
    "JPEG of 65500 x 65500": _jpeg_size,
    "PNG of 100000 x 100000": lambda: (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
        + png_chunk(b"IDAT", _zeros(8 * MIB))
        + png_chunk(b"IEND")
    ),
    "WebP, lossy, of 16383 x 16383": _webp_lossy_size,
    "WebP, lossless, of 16384 x 16384": _webp_lossless_size,
    "WebP, animated, of 60001 x 60001": _webp_canvas,
    "GIF of 65535 x 65535": lambda: _put(saved("GIF"), 6, "<HH", 65535, 65535),
    "GIF, a frame of 65535 x 65535": _gif_frame,
    "TIFF of 1000000 x 1000000": lambda: tiff(_tiff_picture(10**6, 10**6)),
    "BMP of 100000 x 100000": _bmp_size,
    "AVIF of 16384 x 16384": lambda: _boxed("AVIF"),
    "HEIC of 16384 x 16384": lambda: _boxed("HEIC"),
}
"""More pixels than may be."""

HEADERS: dict[str, Callable[[], bytes]] = {
    "PNG, a million chunks": lambda: _png_with(png_chunk(b"vpAg") * MIB),
    "JPEG, 2 million comments": lambda: _jpeg_with(jpeg_segment(0xFE, b"") * (2 * MIB)),
    "JPEG, 8 MiB of filling": lambda: _jpeg_with(b"\xff" * (8 * MIB)),
    "GIF, 8 MiB of comments": lambda: _gif_with(
        b"\x21\xfe" + (b"\xff" + b"x" * 255) * (MIB // 32) + b"\0"
    ),
    "GIF, 2 million extensions": lambda: _gif_with(b"\x21\xfe\x00" * (2 * MIB)),
    "TIFF, 2 million strips": lambda: tiff(
        _tiff_picture(1, 2_000_000, 2_000_000, 8 + 2 + 9 * 12 + 4), bytes(8_000_000)
    ),
    "TIFF, 60000 tags of the same 8 MiB": lambda: tiff(
        [*_tiff_picture(8, 8), *((1000 + n, 7, 8 * MIB, 8) for n in range(60_000))], bytes(8 * MIB)
    ),
    "TIFF, a tag of 4 million numbers": lambda: tiff(
        [e for e in _tiff_picture(8, 8) if e[0] != 258] + [(258, 3, 4 * MIB, 200)],
        bytes(8 * MIB + 200),
    ),
}
"""Headers that take long to read."""

ABSURD_EXIF: dict[str, Callable[[], bytes]] = {
    "JPEG, 5000 tags of the same bytes, twice": lambda: _jpeg_with(
        jpeg_segment(0xE1, exif_of_copies(5000, 100)) * 2
    ),
    "JPEG, 3000 tags of the same 20 KiB": lambda: _jpeg_with(
        jpeg_segment(0xE1, exif_of_copies(3000, 20_000))
    ),
    "JPEG, 8 MiB": lambda: _jpeg_with(jpeg_segment(0xE1, b"Exif\0\0" + b"x" * 65_000) * 128),
    "JPEG, a directory of 3000 tags of the same 20 KiB": lambda: _jpeg_with(
        jpeg_segment(0xE1, exif_in_exif(3000, 20_000))
    ),
    "PNG, 20000 tags of the same 600 KiB": lambda: _png_with(
        png_chunk(b"eXIf", exif_of_copies(20_000, 600_000)[6:])
    ),
    "PNG as text, 9000 tags of the same 100 KiB": lambda: _png_with(
        png_chunk(b"tEXt", b"Raw profile type exif\0" + _hex(exif_of_copies(9_000, 100_000)))
    ),
    "WebP, a directory of 20000 tags of the same 600 KiB": lambda: _in_webp(
        b"EXIF", exif_in_exif(20_000, 600_000)
    ),
    "TIFF, a directory of 20000 tags of the same 8 MiB": lambda: tiff(
        [*_tiff_picture(8, 8), (0x8769, 4, 1, 8 * MIB + 134)],
        bytes(8 * MIB) + _directory([(5000 + n, 7, 6 * MIB, 200) for n in range(20_000)]),
    ),
}
"""Pictures whose Exif alone is a bomb."""

HARMLESS: dict[str, Callable[[], bytes]] = {
    "PNG, a profile of 128 MiB": lambda: _png_with(
        png_chunk(b"iCCP", b"icc\0\0" + _zeros(128 * MIB))
    ),
    "PNG, a text of 128 MiB": lambda: _png_with(
        png_chunk(b"zTXt", b"text\0\0" + _zeros(128 * MIB))
    ),
    "PNG, Exif of 60000 tags of the same 8 MiB": lambda: _png_with(
        png_chunk(b"eXIf", exif_of_copies(60_000, 8 * MIB)[6:])
    ),
    "WebP, Exif of 60000 tags of the same 8 MiB": lambda: _in_webp(
        b"EXIF", exif_of_copies(60_000, 8 * MIB)
    ),
    "PNG, 1000 texts of 1 MiB": lambda: _png_with(
        png_chunk(b"zTXt", b"text\0\0" + _zeros(MIB)) * 1000
    ),
    "TIFF, 100000 frames": lambda: tiff(_tiff_picture(8, 8), bytes(MIB)),
}


def all_kinds() -> dict[str, Callable[[], bytes]]:
    return SIZES | HEADERS | ABSURD_EXIF | HARMLESS


def _measured(name: str) -> str:
    """Decodes one here and tells of it; for a process of its own, whose peak starts low."""
    from shared.media.images import decode

    data = all_kinds()[name]()
    decode(saved("JPEG"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    try:
        decode(data)
        said = "It is a picture."
    except BadImage as error:
        said = error.detail
    ms = 1000 * (time.perf_counter() - started)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return f"{ms:7.1f} ms {grown:5.0f} MiB of {len(data) / MIB:5.1f} MiB  {name}: {said}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        print(_measured(sys.argv[1]))  # noqa: T201
    else:
        for kind in all_kinds():
            command = [sys.executable, "-W", "ignore", "-m", "tests.bombs", kind]
            subprocess.run(command, check=False, timeout=120)
