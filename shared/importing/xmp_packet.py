"""An XMP packet that tells when and where a picture was taken."""

from xml.sax.saxutils import quoteattr

_PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/"{}/>
 </rdf:RDF>
</x:xmpmeta>
"""


def packet(taken_at: str | None, place: tuple[float, float] | None) -> bytes | None:
    """Return the bytes of an XMP file, or None where there is nothing to tell.

    taken_at: ISO 8601. place: latitude and longitude in degrees.
    """
    told: dict[str, str] = {}
    if taken_at is not None:
        told["exif:DateTimeOriginal"] = taken_at
    if place is not None:
        told["exif:GPSLatitude"] = _degrees(place[0], "NS")
        told["exif:GPSLongitude"] = _degrees(place[1], "EW")
    if not told:
        return None
    return _PACKET.format("".join(f" {name}={quoteattr(told[name])}" for name in told)).encode()


def _degrees(value: float, sides: str) -> str:
    """Return a coordinate in degrees and minutes, as XMP has it: `48,51.500400N`."""
    whole, minutes = divmod(round(abs(value) * 60, 6), 60)
    return f"{int(whole)},{minutes:.6f}{sides[value < 0]}"
