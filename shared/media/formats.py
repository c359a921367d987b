"""The formats of pictures, told by the first bytes of a file; and what opens their heads."""

from collections.abc import Callable
from io import BytesIO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
from pillow_heif import HeifImageFile

from shared.media import jxl_head, raw, video_head
from shared.media.jxl import JxlFile
from shared.media.tiff import TiffFile
from shared.media.video import VideoFile

OPENERS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "HEIC": HeifImageFile,
    "JXL": JxlFile,
    **dict.fromkeys(sorted(raw.RAW), raw.RawFile),
    **dict.fromkeys(video_head.VIDEOS, VideoFile),
}
_MEDIA_TYPES = {name: f"image/{name.lower()}" for name in OPENERS} | {
    "DNG": "image/x-adobe-dng",
    "CR2": "image/x-canon-cr2",
    "CR3": "image/x-canon-cr3",
    "NEF": "image/x-nikon-nef",
    "ARW": "image/x-sony-arw",
    "RAF": "image/x-fuji-raf",
    "ORF": "image/x-olympus-orf",
    "RW2": "image/x-panasonic-rw2",
    "RAW": "image/x-dcraw",
    **video_head.VIDEOS,
}

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


def media_type(data: bytes) -> str:
    """The media type of a picture by its first bytes."""
    name = format_of(data)
    return "application/octet-stream" if name is None else _MEDIA_TYPES[name]


def format_of(data: bytes) -> str | None:
    """The format by the file's first bytes; names and content types aren't trusted."""
    if (kind := raw.kind_of(data)) is not None:
        return kind
    if jxl_head.is_jxl(data):
        return "JXL"
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp" and (found := _format_of_brands(data)) is not None:
        return found
    return video_head.kind_of(data)


def _format_of_brands(data: bytes) -> str | None:
    """AVIF and HEIC are one container; the brands that it names first tell them apart."""
    size = int.from_bytes(data[:4], "big")
    # The major brand, its version, then the compatible brands.
    brands = [data[at : at + 4] for at in (8, *range(16, min(size, 256, len(data)), 4))]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    if any(brand[:3] in (b"hei", b"hev") for brand in brands):
        return "HEIC"
    return None
