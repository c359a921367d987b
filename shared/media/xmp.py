"""Dates, camera and place of an XMP packet: one within a picture, or a sidecar file beside it."""

import re
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

LONGEST = 2**20
"""Bytes of a packet; editors that keep every step write some hundred KiB."""

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_NAMESPACES = {
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://cipa.jp/exif/2.32/": "exifEX",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "http://www.digikam.org/ns/1.0/": "digiKam",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/xap/1.0/": "xmp",
}
_DEGREES = re.compile(r"\s*(\d+),(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?\s*([NSEW])\s*")


def values_of(packet: bytes) -> dict[str, str]:
    """Return the plain properties of a packet by their usual prefix, such as `exif:GPSLatitude`.

    A packet that is damaged, too long or has a document type has none.
    """
    found: dict[str, str] = {}
    for described in _described(packet):
        for name, text in _properties(described):
            found.setdefault(name, text)
    return found


def lists_of(packet: bytes) -> dict[str, list[str]]:
    """Return the properties of a packet that are lists, such as `dc:subject`, by the same rules."""
    found: dict[str, list[str]] = {}
    for described in _described(packet):
        for child in described:
            items = [item.text.strip() for item in child.iter(f"{_RDF}li") if item.text]
            if items and (known := _prefixed(child.tag)) is not None:
                found.setdefault(known, items)
    return found


def degrees(text: str | None) -> float | None:
    """Return a coordinate: `48,51.5N`, or `48,51,30N`."""
    parts = _DEGREES.fullmatch(text or "")
    if parts is None:
        return None
    whole, minutes, seconds, side = parts.groups()
    number = float(whole) + float(minutes) / 60 + float(seconds or 0) / 3600
    return -number if side in "SW" else number


def _described(packet: bytes) -> Iterator[Element]:
    if len(packet) > LONGEST:
        return
    try:
        root = ElementTree.fromstring(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return
    yield from root.iter(f"{_RDF}Description")


def _properties(described: Element) -> Iterator[tuple[str, str]]:
    attributes: Mapping[str, str] = described.attrib
    for name, value in attributes.items():
        if (known := _prefixed(name)) is not None:
            yield known, value.strip()
    for child in described:
        if (known := _prefixed(child.tag)) is not None:
            item = child.find(f".//{_RDF}li")
            text = (child if item is None else item).text
            if text and text.strip():
                yield known, text.strip()


def _prefixed(name: str) -> str | None:
    namespace, closed, local = name.removeprefix("{").partition("}")
    prefix = _NAMESPACES.get(namespace) if closed else None
    return None if prefix is None else f"{prefix}:{local}"
