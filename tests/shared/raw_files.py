"""RAW files of each kind as cameras lay them out: a small Bayer pattern, a preview and tags.

Their sensors' values are not packed (of CR2 and CR3, which always are, there are none); all else is
where LibRaw looks for it.
"""

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

_LETTERS = {1: "B", 3: "H", 4: "I"}
Tags = dict[int, tuple[int, Any]]
"""Tag -> type and value; a directory within is type 13 with Tags, or a list of them."""

TAKEN = "2021:06:05 04:03:02"
FACTS = {"taken_at": "2021-06-05T04:03:02"}


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A picture whose quarters are red, green, blue and grey: its turns can be told apart."""
    image = Image.new("RGB", (width, height), (128, 128, 128))
    half = width // 2, height // 2
    image.paste((220, 30, 30), (0, 0, *half))
    image.paste((30, 200, 30), (half[0], 0, width, half[1]))
    image.paste((30, 30, 220), (0, half[1], half[0], height))
    return image


def corners(image: Image.Image) -> str:
    """Return the colours of the quarters, from the upper left by rows: `rgb-` for `scene`."""
    w, h = image.size
    found = ""
    for x, y in ((w // 4, h // 4), (3 * w // 4, h // 4), (w // 4, 3 * h // 4)):
        pixel = image.getpixel((x, y))
        found += "rgb-"[3 if max(pixel) - min(pixel) < 40 else int(np.argmax(pixel))]
    x, y = 3 * w // 4, 3 * h // 4
    pixel = image.getpixel((x, y))
    return found + "rgb-"[3 if max(pixel) - min(pixel) < 40 else int(np.argmax(pixel))]


def jpeg(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, **options)
    return out.getvalue()


def bayer(image: Image.Image) -> bytes:
    """The 16-bit values that an RGGB sensor has of a picture."""
    rgb = (np.asarray(image, dtype=np.float32) / 255) ** 2.2 * 16000 + 64
    values = rgb[:, :, 1].copy()
    values[::2, ::2], values[1::2, 1::2] = rgb[::2, ::2, 0], rgb[1::2, 1::2, 2]
    return values.astype("<u2").tobytes()


def tiff(directories: Sequence[Tags], magic: bytes = b"II*\0", skip: int = 8) -> bytes:
    """A little-endian TIFF of these directories, each of which points to the next.

    A value `bytes` of type 4 is put into the file, and its offset into the tag.
    """
    out = bytearray(magic + struct.pack("<I", skip) + bytes(skip - 8))
    for number, tags in enumerate(directories):
        at = len(out)
        end = _directory(out, tags)
        last = number + 1 == len(directories)
        struct.pack_into("<I", out, end, 0 if last else len(out))
        assert at % 2 == 0
    return bytes(out)


def _directory(out: bytearray, tags: Tags) -> int:
    """Append a directory and its values; return where the offset of the next one stands."""
    begin = len(out)
    out += struct.pack("<H", len(tags)) + bytes(12 * len(tags) + 4)
    for number, (tag, (kind, value)) in enumerate(sorted(tags.items())):
        at = begin + 2 + 12 * number
        if kind == 13:
            many = value if isinstance(value, list) else [value]
            offsets = []
            for one in many:
                offsets.append(len(out))
                _directory(out, one)
            kind, value = 4, offsets
        if kind == 4 and isinstance(value, bytes):
            offset = _put(out, value)
            value = [offset]
        if kind == 2:
            body = value.encode() + b"\0"
            count = len(body)
        elif kind in (1, 7) and isinstance(value, bytes):
            body, count = value, len(value)
        elif kind in (5, 10):
            body = b"".join(struct.pack("<II", *pair) for pair in value)
            count = len(value)
        else:
            body = struct.pack(f"<{len(value)}{_LETTERS[kind]}", *value)
            count = len(value)
        field = body.ljust(4, b"\0") if len(body) <= 4 else struct.pack("<I", _put(out, body))
        struct.pack_into("<HHI", out, at, tag, kind, count)
        out[at + 8 : at + 12] = field
    if len(out) % 2:
        out += b"\0"
    return begin + 2 + 12 * len(tags)


def _put(out: bytearray, body: bytes) -> int:
    if len(out) % 2:
        out += b"\0"
    at = len(out)
    out += body
    if len(out) % 2:
        out += b"\0"
    return at


def _camera(make: str, model: str, orientation: int) -> Tags:
    exif: Tags = {0x9003: (2, TAKEN), 0x829A: (5, [(1, 100)]), 0x8827: (3, [200])}
    return {
        0x010F: (2, make),
        0x0110: (2, model),
        0x0112: (3, [orientation]),
        0x8769: (13, exif),
    }


def _sensor(image: Image.Image, bits: int = 16) -> Tags:
    width, height = image.size
    data = bayer(image)
    return {
        0x00FE: (4, [0]),
        0x0100: (4, [width]),
        0x0101: (4, [height]),
        0x0102: (3, [bits]),
        0x0103: (3, [1]),
        0x0106: (3, [32803]),
        0x0111: (4, data),
        0x0115: (3, [1]),
        0x0116: (4, [height]),
        0x0117: (4, [len(data)]),
        0x828D: (3, [2, 2]),
        0x828E: (1, bytes([0, 1, 1, 2])),
    }


def _preview(data: bytes, size: tuple[int, int]) -> Tags:
    return {
        0x00FE: (4, [1]),
        0x0100: (4, [size[0]]),
        0x0101: (4, [size[1]]),
        0x0102: (3, [8, 8, 8]),
        0x0103: (3, [7]),
        0x0106: (3, [6]),
        0x0111: (4, data),
        0x0115: (3, [3]),
        0x0116: (4, [size[1]]),
        0x0117: (4, [len(data)]),
    }


def dng(
    image: Image.Image | None = None,
    preview: Image.Image | None = None,
    orientation: int = 1,
    **jpeg_options: Any,
) -> bytes:
    """A DNG; `preview`: none by default."""
    image = image or scene()
    # From XYZ to the camera's colours, which here are those of sRGB.
    matrix = [3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570]
    first = _camera("Test", "Camera One", orientation)
    within = [_sensor(image)]
    within[0] |= {0xC61A: (3, [64]), 0xC61D: (4, [16064])}
    if preview is not None:
        within.append(_preview(jpeg(preview, **jpeg_options), preview.size))
    thumbnail = image.resize((16, 8)).tobytes()
    first |= {
        0x00FE: (4, [1]),
        0x0100: (4, [16]),
        0x0101: (4, [8]),
        0x0102: (3, [8, 8, 8]),
        0x0103: (3, [1]),
        0x0106: (3, [2]),
        0x0111: (4, thumbnail),
        0x0115: (3, [3]),
        0x0116: (4, [8]),
        0x0117: (4, [len(thumbnail)]),
        0x014A: (13, within),
        0xC612: (1, bytes([1, 4, 0, 0])),
        0xC613: (1, bytes([1, 1, 0, 0])),
        0xC614: (2, "Test Camera One"),
        0xC621: (10, [(round(v * 10000) & 0xFFFFFFFF, 10000) for v in matrix]),
        0xC628: (5, [(1, 1), (1, 1), (1, 1)]),
        0xC65A: (3, [21]),
    }
    return tiff([first])


def nef(preview: Image.Image, orientation: int = 1) -> bytes:
    """A Nikon: the preview and the sensor lie in directories within the first."""
    first = _camera("NIKON CORPORATION", "NIKON D70", orientation)
    data = jpeg(preview)
    its = {0x0103: (3, [6]), 0x0201: (4, data), 0x0202: (4, [len(data)])}
    return tiff([first | {0x014A: (13, [its, _sensor(scene())])}])


def arw(preview: Image.Image, orientation: int = 1) -> bytes:
    data = jpeg(preview)
    first = _camera("SONY", "ILCE-7M3", orientation)
    first |= {0x0103: (3, [6]), 0x0201: (4, data), 0x0202: (4, [len(data)])}
    return tiff([first | {0x014A: (13, [_sensor(scene())])}])


def orf(preview: Image.Image, orientation: int = 1) -> bytes:
    """An Olympus: a magic number of its own, and the preview in the notes of the maker."""
    data = jpeg(preview)
    first = _camera("OLYMPUS CORPORATION", "E-M1", orientation) | _sensor(scene())
    second = {0x0103: (3, [6]), 0x0201: (4, data), 0x0202: (4, [len(data)])}
    return tiff([first, second], b"IIRO")


def cr2(preview: Image.Image, orientation: int = 1) -> bytes:
    first = _camera("Canon", "Canon EOS 5D Mark II", orientation)
    first[0x8769][1].update({0xA002: (4, [96]), 0xA003: (4, [64])})
    data = jpeg(preview)
    first |= {
        0x0100: (4, [preview.width]),
        0x0101: (4, [preview.height]),
        0x0102: (3, [8, 8, 8]),
        0x0103: (3, [6]),
        0x0111: (4, data),
        0x0117: (4, [len(data)]),
    }
    whole = tiff([first, {0x0201: (4, data), 0x0202: (4, [len(data)])}], skip=16)
    return whole[:8] + b"CR\2\0" + bytes(4) + whole[16:]


def raf(preview: Image.Image, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "FUJIFILM", "X-T1", orientation
    exif.get_ifd(0x8769)[0x9003] = TAKEN
    data = jpeg(preview, exif=exif)
    table = struct.pack(">I", 1) + struct.pack(">HHHH", 0x0111, 4, 64, 96)
    head = b"FUJIFILMCCD-RAW 0201FF129502X-T1".ljust(84, b"\0")
    at = 148
    places = (at, len(data), at + len(data), len(table), at + len(data) + len(table), 0)
    return (head + struct.pack(">6I", *places)).ljust(at, b"\0") + data + table


def cr3(preview: Image.Image, orientation: int = 1) -> bytes:
    data = jpeg(preview)
    first = _camera("Canon", "Canon EOS R", orientation)
    exif = first.pop(0x8769)[1]
    first |= {0x0100: (3, [96]), 0x0101: (3, [64])}
    thumbnail = struct.pack(">IHHIHH", 0, preview.width, preview.height, len(data), 1, 0) + data
    canon = b"".join(
        (
            box(b"CNCV", b"CanonCR3_001/00.09.00/00.00.00"),
            box(b"CMT1", tiff([first])),
            box(b"CMT2", tiff([exif])),
            box(b"CMT4", tiff([{0: (1, bytes([2, 2, 0, 0]))}])),
            box(b"THMB", thumbnail),
        )
    )
    uuid = box(b"uuid", bytes.fromhex("85c0b687820f11e08111f4ce462b6a48") + canon)
    return box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", uuid)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


MADE = {"NEF": nef, "ARW": arw, "ORF": orf, "CR2": cr2, "RAF": raf, "CR3": cr3}
"""Besides DNG; each with a preview of the camera."""
