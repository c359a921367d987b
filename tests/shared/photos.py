"""Photos with EXIF and XMP as cameras and editors write them, and the facts that they tell."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

Base, GPS = ExifTags.Base, ExifTags.GPS

_XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"{}>{}</rdf:Description>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


@dataclass
class Photo:
    """A photo to be made, and what is true of it."""

    seed: int
    taken: str | None = None
    offset: str | None = None
    make: str | None = None
    model: str | None = None
    lens: str | None = None
    place: tuple[float, float] | None = None
    kind: str = "JPEG"
    facts: dict[str, Any] = field(default_factory=dict)

    def bytes(self, xmp: bytes | None = None) -> bytes:
        return photo(
            self.seed,
            self.kind,
            {Base.Make: self.make, Base.Model: self.model},
            {
                Base.DateTimeOriginal: self.taken,
                Base.OffsetTimeOriginal: self.offset,
                Base.LensModel: self.lens,
            },
            gps(*self.place) if self.place else {},
            xmp,
        )


def photo(
    seed: int,
    kind: str = "JPEG",
    tags: Mapping[int, Any] | None = None,
    exif: Mapping[int, Any] | None = None,
    place: Mapping[int, Any] | None = None,
    xmp: bytes | None = None,
    size: tuple[int, int] = (48, 36),
) -> bytes:
    """A picture of coloured blocks with these tags; those that are None are left out."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)
    found = Image.Exif()
    found.update({tag: value for tag, value in (tags or {}).items() if value is not None})
    for number, given in ((ExifTags.IFD.Exif, exif), (ExifTags.IFD.GPSInfo, place)):
        inner = {tag: value for tag, value in (given or {}).items() if value is not None}
        if inner:
            found.get_ifd(number).update(inner)
    told: dict[str, Any] = {"exif": found.tobytes()} if len(found) or exif or place else {}
    if xmp is not None:
        told["xmp"] = xmp
    out = io.BytesIO()
    image.save(out, kind, **told)
    return out.getvalue()


def gps(latitude: float, longitude: float) -> dict[int, Any]:
    """A place as cameras write it: degrees, minutes and seconds as fractions."""

    def parts(angle: float) -> tuple[IFDRational, ...]:
        seconds = round(abs(angle) * 3600 * 10_000)
        whole, rest = divmod(seconds, 3600 * 10_000)
        minutes, rest = divmod(rest, 60 * 10_000)
        return IFDRational(whole), IFDRational(minutes), IFDRational(rest, 10_000)

    return {
        GPS.GPSLatitudeRef: "N" if latitude >= 0 else "S",
        GPS.GPSLatitude: parts(latitude),
        GPS.GPSLongitudeRef: "E" if longitude >= 0 else "W",
        GPS.GPSLongitude: parts(longitude),
    }


def xmp(attributes: Mapping[str, str] | None = None, inner: str = "") -> bytes:
    """An XMP packet with these properties."""
    said = "".join(f' {name}="{value}"' for name, value in (attributes or {}).items())
    return _XMP.format(said, inner).encode()


_YEARS = (1902, 1969, 1970, 1980, 1999, 2000, 2019, 2038)
_CAMERAS = (
    ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
    ("Canon", "Canon EOS 5D Mark III", "Canon EOS 5D Mark III"),
    ("Apple", "iPhone X", "Apple iPhone X"),
    ("SONY", "ILCE-7M3", "SONY ILCE-7M3"),
    (None, "Box", "Box"),
    (None, None, None),
)
_PLACES = (
    (48.8584, 2.2945),
    (-33.8568, 151.2153),
    (-22.9519, -43.2105),
    (64.1466, -21.9426),
    (0.0, 100.5),
    None,
)
_NAMES = (
    ("Paris", "France"),
    ("Sydney", "Australia"),
    ("Rio de Janeiro", "Brazil"),
    ("Reykjavík", "Iceland"),
    ("Payakumbuh", "Indonesia"),
    (None, None),
)
_OFFSETS = ("+02:00", None, "-11:30", "Z", "+14:00", "   :  ")
_WRITTEN = {"Z": "+00:00", "   :  ": "", None: ""}


def sixty() -> list[Photo]:
    """60 photos: all zones and none, unset clocks, before 1970, without a date, everywhere."""
    photos: list[Photo] = []
    for n in range(60):
        year, month, day = _YEARS[n % 8], n % 12 + 1, n % 28 + 1
        hour = n % 24
        offset = _OFFSETS[n % 6]
        make, model, camera = _CAMERAS[(n // 2) % 6]
        place = _PLACES[(n // 3) % 6]
        lens = f"EF {n}mm f/1.8" if n % 4 == 0 else None
        is_dated = n % 10 != 9
        taken_at = f"{year:04}-{month:02}-{day:02}T{hour:02}:07:{n:02}"
        one = Photo(
            n,
            f"{year:04}:{month:02}:{day:02} {hour:02}:07:{n:02}" if is_dated else None,
            offset,
            make,
            model,
            lens,
            place,
            ("JPEG", "PNG", "WEBP", "AVIF")[n % 4] if n % 5 == 0 else "JPEG",
        )
        one.facts = {
            "width": 48,
            "height": 36,
            "format": {"WEBP": "WebP"}.get(one.kind, one.kind),
            "taken_at": taken_at + _WRITTEN.get(offset, offset or "") if is_dated else None,
            "camera": camera,
            "lens": lens,
            "latitude": place and place[0],
            "longitude": place and place[1],
            "city": _NAMES[(n // 3) % 6][0],
            "country": _NAMES[(n // 3) % 6][1],
        }
        photos.append(one)
    return photos
