"""Facts of a picture's file: its size, and when, with what and where it was taken.

EXIF and XMP are read from the header; no pixel is decoded. Whatever is damaged in them is left out:
it never fails a picture.
"""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from PIL import ExifTags, Image, ImageFile

from shared.core.errors import BadImage
from shared.media import image_headers, images, xmp
from shared.media.exif import exif_of, is_absurd
from shared.media.places import named
from shared.media.raw import RawFile
from shared.media.taken import iso
from shared.media.video import VideoFile

log = logging.getLogger(__name__)

_LONGEST_TEXT = 200
_EXIF, _GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
_SIGNS = {"N": 1, "S": -1, "E": 1, "W": -1}

Tags = Mapping[int, Any]


def facts_of(data: bytes, sidecar: bytes | None = None) -> dict[str, Any]:
    """Return what is known of a file, by the names of `FileFacts`; what is unknown is left out.

    `sidecar`: an XMP file beside it, which is newer than what the picture holds.
    """
    beside = {} if sidecar is None else xmp.values_of(sidecar)
    try:
        found = images.size(data)
        name, image = images.opened(data)
    except BadImage:
        return {}
    if isinstance(image, VideoFile):
        return _of_video(image, found, beside)
    exif, taken, gps = _exif_of(name, data, image)
    within = xmp.values_of(_xmp_of(image))
    facts = {
        "width": found[0],
        "height": found[1],
        "format": name,
        "taken_at": _taken_at(beside, within, exif, taken),
        "camera": _camera(beside.get("tiff:Make"), beside.get("tiff:Model"))
        or _camera(exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model))
        or _camera(within.get("tiff:Make"), within.get("tiff:Model")),
        "lens": _lens(beside) or _text(taken.get(ExifTags.Base.LensModel)) or _lens(within),
    }
    place = _place_of_xmp(beside) or _place_of_exif(gps) or _place_of_xmp(within)
    if place is not None:
        facts["latitude"], facts["longitude"] = place
    return named({key: value for key, value in facts.items() if value is not None})


def _of_video(video: VideoFile, size: tuple[int, int], beside: Mapping[str, str]) -> dict[str, Any]:
    head = video.head
    facts = {
        "width": size[0],
        "height": size[1],
        "format": video.format,
        "duration_s": head.seconds,
        "taken_at": _time_of_xmp(beside) or iso(head.taken_at),
        "camera": _camera(beside.get("tiff:Make"), beside.get("tiff:Model"))
        or _camera(
            head.texts.get("make") or head.texts.get("mak"),
            head.texts.get("model") or head.texts.get("mod"),
        ),
    }
    place = _place_of_xmp(beside) or (_place(*head.place) if head.place else None)
    if place is not None:
        facts["latitude"], facts["longitude"] = place
    return named({key: value for key, value in facts.items() if value is not None})


def _exif_of(name: str, data: bytes, image: ImageFile.ImageFile) -> tuple[Tags, Tags, Tags]:
    """Return the tags of a picture, and those of its EXIF and GPS directories."""
    none: Tags = {}
    # Without it, a PNG is decoded whole to look for Exif behind its pixels.
    if name == "PNG" and exif_of(image) is None:
        return none, none, none
    if is_absurd(name, data, image):
        return none, none, none
    if isinstance(image, RawFile) and len(image.blocks) > 1:
        exif, taken, gps = (_of_block(block) for block in image.blocks)
        return exif, taken, gps
    try:
        exif = image.getexif()
    except Exception:  # whatever Pillow makes of damaged tags
        log.debug("EXIF can't be read", exc_info=True)
        return none, none, none
    found: list[Tags] = []
    for number in (_EXIF, _GPS):
        try:
            found.append(exif.get_ifd(number))
        except Exception:  # the other directory may be whole
            log.debug("a directory of EXIF can't be read", exc_info=True)
            found.append(none)
    return _plain(exif), _plain(found[0]), _plain(found[1])


def _of_block(block: bytes) -> Tags:
    """Return the tags of a directory that is a TIFF of its own, as in a CR3."""
    if image_headers.is_absurd_exif(block):
        return {}
    exif = Image.Exif()
    try:
        exif.load(block)
    except Exception:  # whatever Pillow makes of damaged tags
        log.debug("EXIF can't be read", exc_info=True)
        return {}
    return _plain(exif)


def _plain(tags: Tags) -> Tags:
    """Return the tags of a directory that can be read."""
    found: dict[int, Any] = {}
    for number in list(tags):
        try:
            found[number] = tags[number]
        except Exception:  # one tag that is damaged doesn't cost the others
            log.debug("a tag of EXIF can't be read", exc_info=True)
    return found


def _xmp_of(image: ImageFile.ImageFile) -> bytes:
    packet = image.info.get("XML:com.adobe.xmp") or image.info.get("xmp") or b""
    return packet.encode(errors="replace") if isinstance(packet, str) else bytes(packet)


def _taken_at(
    beside: Mapping[str, str], within: Mapping[str, str], exif: Tags, taken: Tags
) -> str | None:
    base = ExifTags.Base
    times: tuple[Callable[[], str | None], ...] = (
        lambda: _time_of_xmp(beside),
        lambda: iso(
            _text(taken.get(base.DateTimeOriginal)),
            taken.get(base.OffsetTimeOriginal),
            taken.get(base.SubsecTimeOriginal),
        ),
        lambda: iso(within.get("exif:DateTimeOriginal")),
        lambda: iso(within.get("photoshop:DateCreated")),
        lambda: iso(
            _text(taken.get(base.DateTimeDigitized)),
            taken.get(base.OffsetTimeDigitized),
            taken.get(base.SubsecTimeDigitized),
        ),
        lambda: iso(within.get("xmp:CreateDate")),
        # When it was written last: better than none, as cameras set it too.
        lambda: iso(
            _text(exif.get(base.DateTime)),
            taken.get(base.OffsetTime),
            taken.get(base.SubsecTime),
        ),
    )
    return next((found for time in times if (found := time()) is not None), None)


def _time_of_xmp(values: Mapping[str, str]) -> str | None:
    names = ("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate")
    return next((found for name in names if (found := iso(values.get(name)))), None)


def _camera(make: object, model: object) -> str | None:
    """Return the camera as a person calls it: many models name their maker already."""
    maker, its = _text(make), _text(model)
    if maker is None or its is None:
        return its or maker
    first = maker.split()[0].casefold()
    return its if its.casefold().startswith(first) else f"{maker} {its}"[:_LONGEST_TEXT]


def _lens(values: Mapping[str, str]) -> str | None:
    names = ("exifEX:LensModel", "aux:Lens")
    return next((found for name in names if (found := _text(values.get(name)))), None)


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        return None
    cut = value.split("\0", 1)[0][: 4 * _LONGEST_TEXT]
    plain = "".join(c if c.isprintable() else " " for c in cut)
    return " ".join(plain.split())[:_LONGEST_TEXT] or None


def _place_of_exif(gps: Tags) -> tuple[float, float] | None:
    names = ExifTags.GPS
    return _place(
        _degrees(gps.get(names.GPSLatitude), gps.get(names.GPSLatitudeRef)),
        _degrees(gps.get(names.GPSLongitude), gps.get(names.GPSLongitudeRef)),
    )


def _place_of_xmp(values: Mapping[str, str]) -> tuple[float, float] | None:
    return _place(
        xmp.degrees(values.get("exif:GPSLatitude")), xmp.degrees(values.get("exif:GPSLongitude"))
    )


def _place(latitude: float | None, longitude: float | None) -> tuple[float, float] | None:
    """Return a place on Earth; a receiver without a fix writes zeros."""
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    return round(latitude, 7), round(longitude, 7)


def _degrees(parts: object, side: object) -> float | None:
    """Return degrees of degrees, minutes and seconds; None where one is no number."""
    sign = _SIGNS.get((_text(side) or "").upper())
    if sign is None or not isinstance(parts, tuple) or not 1 <= len(parts) <= 3:
        return None
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    total = sum(number / 60**power for power, number in enumerate(numbers))
    return sign * total if math.isfinite(total) else None
