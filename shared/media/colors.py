"""Colours of a picture: the share of its pixels that people call red, blue, black and so on.

The eleven basic colours of English stand for regions of Oklab, whose edges are soft: a pixel
between orange and brown counts partly as each. Pixels count by how central they are, and by how
rare their colour is at the edge, where there is mostly background.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from shared.core.color_names import COLORS, MONOCHROME, NAMES

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]

_UNIT = 255
_LEAST = 0.02
"""Smaller shares are not kept."""
_DIGITS = 2
"""Few values of a share, so that an index of them is small."""
_BITS = 5
_SEEN = 0.875
_SIDE = 50
"""Pixels a side that are looked at, at most."""
_EDGE_BITS = 4
_EDGE = 0.12
"""Half of this share of each side is edge, at either end."""
_WIDTH = 0.8
"""Standard deviation of the weight over the middle, in half sides."""
_HUES = (
    # Begin, full, full, end of each, in degrees of Oklab's hue.
    ("red", (6, 18, 32, 42)),
    ("orange", (32, 42, 74, 84)),
    ("yellow", (74, 86, 109, 118)),
    ("green", (109, 119, 172, 194)),
    ("blue", (172, 192, 276, 292)),
    ("purple", (276, 292, 328, 344)),
    ("pink", (328, 344, 366, 378)),
)


def shares_of(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Return the share of each colour in a picture, (height, width, 3) RGB; small ones are left
    out.
    """
    height, width = pixels.shape[:2]
    some = pixels[:: -(-height // _SIDE), :: -(-width // _SIDE)]
    shares = _seen(some).ravel() @ _table()[_cells(some, _BITS).ravel()]
    found = dict(zip(COLORS, shares.tolist(), strict=True))
    found[MONOCHROME] = _colorless(some)
    return {name: round(share, _DIGITS) for name, share in found.items() if share >= _LEAST}


def central(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the middle of a picture, as networks see it."""
    height, width = pixels.shape[:2]
    side = max(1, round(_SEEN * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def packed(shares: Mapping[str, float]) -> bytes:
    """Return shares as bytes, one for each name, in their order."""
    return bytes(round(_UNIT * min(max(shares.get(name, 0.0), 0.0), 1.0)) for name in NAMES)


def unpacked(data: bytes) -> list[dict[str, float]]:
    """Return the shares of several pictures. Raises ValueError."""
    if len(data) % len(NAMES):
        raise ValueError(f"{len(data)} bytes are no shares of {len(NAMES)} colours.")
    return [
        {
            name: round(share / _UNIT, _DIGITS)
            for name, share in zip(NAMES, row, strict=True)
            if share
        }
        for row in (data[at : at + len(NAMES)] for at in range(0, len(data), len(NAMES)))
    ]


def _colorless(pixels: NDArray[np.uint8]) -> float:
    """Return the share of pixels whose channels are alike."""
    spread = pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)
    return int(np.count_nonzero(spread <= 12)) / int(spread.size)


def _seen(pixels: NDArray[np.uint8]) -> Floats:
    """Return the weight of each pixel, of sum 1: those in the middle, and of a colour that the
    edge lacks, are of what the picture shows.
    """
    middle, is_edge = _places(*pixels.shape[:2])
    cells = _cells(pixels, _EDGE_BITS)
    size = 1 << (3 * _EDGE_BITS)
    at_edge = np.bincount(cells[is_edge], minlength=size) / np.count_nonzero(is_edge)
    within = np.bincount(cells.ravel(), middle.ravel(), size) / middle.sum()
    own = within / (within + 2 * at_edge + 1e-6)
    weights = middle * own[cells] ** 2
    shares: Floats = (weights / weights.sum()).astype(np.float32)
    return shares


@cache
def _places(height: int, width: int) -> tuple[Floats64, NDArray[np.bool_]]:
    """Return how central each pixel of a picture is, and which are at its edge."""
    down, across = (np.abs(np.linspace(-1, 1, size)) for size in (height, width))
    middle = np.exp(-((down[:, None] ** 2 + across[None] ** 2) / (2 * _WIDTH**2)))
    return middle, np.maximum(down[:, None], across[None]) > 1 - _EDGE


def _cells(pixels: NDArray[np.uint8], bits: int) -> NDArray[np.int32]:
    """Return the number of each pixel's cell of RGB, of so many bits a channel."""
    levels = (pixels >> (8 - bits)).astype(np.int32)
    return (levels[..., 0] << (2 * bits)) | (levels[..., 1] << bits) | levels[..., 2]


@cache
def _table() -> Floats:
    """Return how much each cell of RGB counts as each colour, (cells, colours)."""
    levels = (np.arange(1 << _BITS) + 0.5) / (1 << _BITS)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    return named(grid.reshape(-1, 3))


def named(rgb: NDArray[np.floating]) -> Floats:
    """Return how much colours, (n, 3) sRGB from 0 to 1, count as each basic one, (n, 11)."""
    lightness, chroma, hue = _oklch(rgb)
    # How much colour is needed depends on how light it is.
    grey_end = np.interp(
        lightness, [0, 0.2, 0.35, 0.8, 0.95, 1], [0.12, 0.065, 0.045, 0.038, 0.022, 0.02]
    )
    vivid = _ramp(chroma, 0.6 * grey_end, 1.5 * grey_end)
    dark, light = 1 - _ramp(lightness, 0.22, 0.36), _ramp(lightness, 0.82, 0.92)
    found = dict.fromkeys(COLORS, np.zeros(len(rgb)))
    found["black"] = (1 - vivid) * dark
    found["white"] = (1 - vivid) * light
    found["grey"] = (1 - vivid) * (1 - dark) * (1 - light)
    for name, (start, first, last, end) in _HUES:
        turned = np.where(hue < start - 90, hue + 360, hue)
        inside = _ramp(turned, start, first) * (1 - _ramp(turned, last, end))
        found[name] = vivid * inside
    _brown(found, lightness, chroma, hue)
    _pink(found, lightness, chroma)
    total = sum(found.values())
    rows = np.stack([found[name] for name in COLORS], axis=1)
    return (rows / np.maximum(total, 1e-9)[:, None]).astype(np.float32)


def _brown(
    found: dict[str, Floats64], lightness: Floats64, chroma: Floats64, hue: Floats64
) -> None:
    """Dark or dull orange is brown, as are dull red and dull yellow."""
    # The more vivid it is, the darker it still is orange.
    dim = 1 - _ramp(lightness + 2 * (chroma - 0.13), 0.60, 0.72)
    dull = 1 - _ramp(chroma, 0.07, 0.12)
    shares = {
        "orange": np.maximum(dim, dull),
        "red": np.maximum(
            (1 - _ramp(chroma, 0.08, 0.12)) * (1 - _ramp(lightness, 0.6, 0.75)),
            (1 - _ramp(lightness, 0.4, 0.5)) * (1 - _ramp(chroma, 0.12, 0.16)) * _ramp(hue, 24, 34),
        ),
        "yellow": np.maximum(
            1 - _ramp(lightness, 0.55, 0.7), dull * (1 - _ramp(lightness, 0.85, 0.95))
        )
        * (1 - _ramp(hue, 98, 112)),
    }
    for name, share in shares.items():
        found["brown"] = found["brown"] + found[name] * share
        found[name] = found[name] * (1 - share)


def _pink(found: dict[str, Floats64], lightness: Floats64, chroma: Floats64) -> None:
    """Light red is pink; dark pink is red or purple."""
    pale = _ramp(lightness, 0.66, 0.76) * (1 - _ramp(chroma, 0.14, 0.19))
    found["pink"] = found["pink"] + found["red"] * pale
    found["red"] = found["red"] * (1 - pale)
    deep = 1 - _ramp(lightness, 0.42, 0.54)
    found["purple"] = found["purple"] + found["pink"] * deep * 0.5
    found["red"] = found["red"] + found["pink"] * deep * 0.5
    found["pink"] = found["pink"] * (1 - deep)
    light = _ramp(lightness, 0.68, 0.78)
    found["pink"] = found["pink"] + found["purple"] * light * 0.3
    found["purple"] = found["purple"] * (1 - light * 0.3)


def _ramp(values: Floats64, start: float | Floats64, end: float | Floats64) -> Floats64:
    return np.clip((values - start) / (end - start), 0, 1)


def _oklch(rgb: NDArray[np.floating]) -> tuple[Floats64, ...]:
    """Return lightness, chroma and hue (degrees) in Oklab (Ottosson, 2020)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(linear @ _TO_CONES.T)
    lightness, a, b = (cones @ _TO_LAB.T).T
    return lightness, np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360


_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
