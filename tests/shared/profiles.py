"""Colour profiles made from the numbers of their spaces, as no file of one is free to copy."""

import struct

_D50 = (0.9642, 1.0, 0.8249)
_WIDE = {
    # Red, green and blue in XYZ under D50, and the gamma.
    "display-p3": (
        ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)),
        2.2,
    ),
    "adobe-rgb": (
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
        2.2,
    ),
    "prophoto": (
        ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
        1.8,
    ),
}


def profile(space: str) -> bytes:
    """Return an ICC profile, version 2, of a space above or of `linear-grey`."""
    if space == "linear-grey":
        tags = {b"wtpt": _xyz(_D50), b"kTRC": _curve(1.0)}
        return _profile(b"GRAY", tags)
    primaries, gamma = _WIDE[space]
    tags = {b"wtpt": _xyz(_D50)}
    for letter, primary in zip(b"rgb", primaries, strict=True):
        name = bytes([letter])
        tags[name + b"XYZ"] = _xyz(primary)
        tags[name + b"TRC"] = _curve(gamma)
    return _profile(b"RGB ", tags)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    text = b"test\0"
    tags = tags | {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(79 + 3),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
    }
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(content))
        body += content
    header = bytearray(128)
    struct.pack_into(">I", header, 0, at + len(body))
    struct.pack_into(">I4s4s4s", header, 8, 0x02100000, b"mntr", space, b"XYZ ")
    header[36:40] = b"acsp"
    header[68:80] = b"".join(map(_fixed, _D50))
    return bytes(header) + struct.pack(">I", len(tags)) + table + body
