"""Bytes to pixels: every picture that can be decoded becomes 8-bit RGB, every other a BadImage.

One rule for what is embedded and for what is shown of it. It needs Pillow, which the services that
decode pictures install.

Limits are checked on the header, before a pixel is decoded. Nothing of Pillow's global state is
read or set (`Image.MAX_IMAGE_PIXELS`, `ImageFile.LOAD_TRUNCATED_IMAGES`), so images with different
limits may be decoded in different threads; hence also the plugins are called by name here instead
of through `Image.open`, which applies that global limit.
"""

import re
import struct
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from pillow_heif import HeifImageFile

from shared import image_headers
from shared.errors import BadImage, Unavailable

_OPENERS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "HEIC": HeifImageFile,
}
_MEDIA_TYPES = {name: f"image/{name.lower()}" for name in _OPENERS}

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
)

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what makes it upright (Exif 2.32, tag 0x0112)."""
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=\"|>)([0-9])")


def size(data: bytes) -> tuple[int, int]:
    """Width and height of a picture as it is shown, from its head alone. Raises BadImage."""
    name = _format_of(data)
    if name is None:
        raise BadImage(f"Not an image, or a format that isn't taken: {', '.join(_OPENERS)} are.")
    image_headers.check(name, data)
    try:
        image = _OPENERS[name](BytesIO(data))
        turned = _orientation(image) in _ON_ITS_SIDE
    except Exception as error:  # whatever a plugin makes of a hostile header
        raise _bad(error) from error
    width, height = image.size
    return (height, width) if turned else (width, height)


def decode(data: bytes, max_pixels: int = 100_000_000, least: int | None = None) -> Image.Image:
    """The picture in `data`, upright, as an RGB image with 8 bits a channel.

    Of an animation the first frame; transparency is laid over white; 16-bit and float channels are
    scaled down. Raises BadImage for anything that is not a whole picture of at most `max_pixels`.
    `least`: as many pixels a side will do, so a larger JPEG may come out at a part of its size,
    which takes less time and memory.
    """
    if not data:
        raise BadImage("The file is empty.")
    name = _format_of(data)
    if name is None:
        raise BadImage(f"Not an image, or a format that isn't taken: {', '.join(_OPENERS)} are.")
    image_headers.check(name, data)
    try:
        image = _OPENERS[name](BytesIO(data))
    except Image.DecompressionBombError as error:
        # Some plugins look at the limit of their own; it is over ours, unless that was raised.
        raise BadImage(
            f"It has more pixels than {_count(max_pixels)} (ISE_MAX_PIXELS), or than Pillow takes."
        ) from error
    except Exception as error:  # whatever a plugin makes of a hostile header
        raise _bad(error) from error
    width, height = image.size
    if width < 1 or height < 1:
        raise BadImage("The image has no pixels.")
    if width * height > max_pixels:
        raise BadImage(
            f"{width} x {height} pixels are over the limit of {_count(max_pixels)} "
            "(ISE_MAX_PIXELS)."
        )
    try:
        if least is not None:
            image.draft("RGB", (least, least))
        image.load()
        return _rgb(_upright(image))
    except MemoryError as error:
        raise Unavailable(
            f"Not enough memory to decode {width} x {height} pixels; lower ISE_MAX_PIXELS.",
            retry_after=5,
        ) from error
    except Exception as error:  # the decoders fail in as many ways as there are formats
        raise _bad(error) from error


def media_type(data: bytes) -> str:
    """The media type of a picture by its first bytes."""
    name = _format_of(data)
    return "application/octet-stream" if name is None else _MEDIA_TYPES[name]


def _format_of(data: bytes) -> str | None:
    """The format by the file's first bytes; names and content types aren't trusted."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        return _format_of_brands(data)
    return None


def _format_of_brands(data: bytes) -> str | None:
    """AVIF and HEIC are one container; the brands that it names first tell them apart."""
    size = int.from_bytes(data[:4], "big")
    # The major brand, its version, then the brands that it is compatible with.
    brands = [data[at : at + 4] for at in (8, *range(16, min(size, 256, len(data)), 4))]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    if any(brand[:3] in (b"hei", b"hev") for brand in brands):
        return "HEIC"
    return None


def _bad(error: Exception) -> BadImage:
    text = str(error).strip()
    # Pillow has no class for it: OSError, EOFError, SyntaxError and others say it in words.
    if isinstance(error, EOFError | struct.error) or any(
        sign in text.lower() for sign in ("truncated", "end of file", "ran out of data")
    ):
        return BadImage("The image is truncated.")
    return BadImage(f"The image is damaged, or of an odd kind ({text or type(error).__name__}).")


def _upright(image: Image.Image) -> Image.Image:
    method = _TRANSPOSE.get(_orientation(image))
    return image if method is None else image.transpose(method)


def _orientation(image: Image.Image) -> int:
    """As `Image.getexif` finds it, which would read every other tag as well."""
    exif = image.info.get("exif")
    if exif is None and (raw := image.info.get("Raw profile type exif")) is not None:
        with suppress(ValueError):
            exif = bytes.fromhex("".join(raw.split("\n")[3:]))
    if exif is not None:
        found = image_headers.orientation(exif)
    else:
        found = getattr(image, "tag_v2", {}).get(ExifTags.Base.Orientation, 0)
    return found or _orientation_of_xmp(image)


def _orientation_of_xmp(image: Image.Image) -> int:
    xmp = image.info.get("XML:com.adobe.xmp") or image.info.get("xmp") or b""
    xmp = xmp if isinstance(xmp, bytes) else xmp.encode()
    found = _XMP_ORIENTATION.search(xmp)
    return int(found[1]) if found else 1


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Single-channel pixels of 16 or 32 bits, or floats in [0, 1] or [0, 255], as mode `L`."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    peak = values.max(initial=0.0)
    if image.mode == "F":
        scale = 255.0 if peak <= 1.0 else 1.0
    elif image.mode.startswith("I;16") or peak > 255:
        # A 32-bit integer image is nearly always a 16-bit one in a wider type.
        scale = 255.0 / max(65535.0, peak)
    else:
        scale = 1.0
    return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))


def _count(pixels: int) -> str:
    if pixels % 1_000_000 == 0:
        return f"{pixels // 1_000_000} million"
    return f"{pixels:,}"
