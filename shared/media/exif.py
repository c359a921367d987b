"""The Exif of an image that was opened: its bytes, which side is up, and whether it can be read."""

import re
from contextlib import suppress

from PIL import ExifTags, Image

from shared.media import image_headers
from shared.media.raw import is_tiff

LEFT_OUT = "Its Exif is larger than any camera's: date, camera and place are left out."
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=\"|>)([0-9])")


def exif_of(image: Image.Image) -> bytes | None:
    """Return the Exif as it is in the file; None where it has none."""
    exif = image.info.get("exif")
    if exif is None and (raw := image.info.get("Raw profile type exif")) is not None:
        with suppress(ValueError, AttributeError):
            exif = bytes.fromhex("".join(raw.split("\n")[3:]))
    return exif if isinstance(exif, bytes) else None


def is_absurd(name: str, data: bytes, image: Image.Image) -> bool:
    """Tell whether reading the tags of a file would take minutes or all memory."""
    if name == "TIFF" or is_tiff(name):
        return image_headers.is_absurd_exif(data, len(data))
    exif = exif_of(image)
    return exif is not None and image_headers.is_absurd_exif(exif)


def orientation_of(image: Image.Image) -> int:
    """Return the orientation as `Image.getexif` finds it, without reading every other tag."""
    exif = exif_of(image)
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
