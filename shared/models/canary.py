"""A built-in picture whose features show whether a model still gives the same results.

A fingerprint identifies the weights, but not the software that runs them: other versions of a
library, or another processor, may give different features.
"""

import struct
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from shared.core.errors import ModelDrift

LARGEST_DRIFT = 1e-3
"""The largest cosine distance that is taken for the same features."""

_SIDE = 256


@cache
def picture() -> bytes:
    """A PNG of rings, stripes and squares in several colours; always the same bytes of pixels."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    # Integers only, so that every processor computes the same pixels.
    rings = ((x - 90) ** 2 + (y - 110) ** 2) // 400 * 37 % 256
    stripes = (x + 2 * y) // 12 * 83 % 256
    squares = ((x // 32) * 91 + (y // 32) * 57) % 256
    pixels = np.stack([rings, (stripes + squares) // 2, squares], axis=-1).astype(np.uint8)
    pixels[150:230, 140:240] = (230, 180, 40)
    pixels[20:80, 170:200] = (20, 60, 160)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, body)
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def drift(now: Sequence[float], before: Sequence[float]) -> float:
    """The cosine distance of two features of the picture; 2 where they can't be compared."""
    a, b = (np.asarray(vector, np.float64) for vector in (now, before))
    length = float(np.linalg.norm(a) * np.linalg.norm(b)) if a.shape == b.shape else 0.0
    return max(0.0, 1.0 - float(a @ b) / length) if length else 2.0


def drifted(fingerprint: str, distance: float) -> ModelDrift:
    """The error for a model that doesn't answer as it did."""
    return ModelDrift(
        f"The embedder's features of a built-in picture have moved by {distance:.2g} (cosine "
        f"distance; {LARGEST_DRIFT:g} is allowed) since the index was made with {fingerprint}, so "
        "they can't be compared with it. Start the embedder with the versions and settings of "
        "then (ISE_INFERENCE=eager and ISE_PRECISION=fp32 are the reference), or ingest into an "
        "empty ISE_DATA_DIR. Searches by id, by vector and by tag go on.",
        model=fingerprint,
        drift=distance,
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)
