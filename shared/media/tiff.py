"""TIFF whose grey samples are wider than 8 bits: read as they are, in either byte order.

Pillow's plugin knows a list of layouts, in which several of grey are missing (white is zero with 16
bits in the other byte order, floats of 64 bits) and of which the compressed ones with 32 bits are
read in the wrong byte order. Here such a picture gets its raw mode by rule.
"""

import math
from typing import Any

from PIL import TiffImagePlugin

from shared.media.sample_values import SampleFormat

_PHOTOMETRIC, _BITS, _SAMPLES, _EXTRA = 262, 258, 277, 338
_FILL_ORDER, _SAMPLE_FORMAT, _S_MIN, _S_MAX = 266, 339, 340, 341
_NO_DATA = 42113
"""GDAL's tag: the value, as text, of pixels that hold no measurement."""
_KINDS = {1: "u", 2: "i", 3: "f"}

_RAW_MODES: dict[tuple[str, int], tuple[str, str]] = {
    ("u", 12): ("I;16", "I;12"),
    ("u", 16): ("I;16", "I;16{}"),
    ("i", 16): ("I", "I;16{}S"),
    ("u", 32): ("I", "I;32{}S"),
    ("i", 32): ("I", "I;32{}S"),
    ("f", 32): ("F", "F;32{}F"),
    ("f", 64): ("F", "F;64{}F"),
}
"""Kind and bits of a grey sample -> Pillow's mode and raw mode, with a place for the byte order."""


class TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF; `sample` describes its samples where they are single grey values."""

    sample: SampleFormat | None = None

    def _setup(self) -> None:
        tags = self.tag_v2
        self.sample = _described(tags)
        found = None
        if self.sample is not None and tags.get(_FILL_ORDER, 1) == 1:
            found = _RAW_MODES.get((self.sample.kind, self.sample.bits))
        if self.sample is None or found is None:
            super()._setup()
            return
        # Pretend a layout of as many bits that the plugin supports; the raw mode is corrected
        # below.
        bits = self.sample.bits
        tags[_PHOTOMETRIC], tags[_BITS] = 1, (min(32, max(16, bits)),)
        tags[_SAMPLE_FORMAT] = (2,)
        super()._setup()
        self._mode, raw = found
        order = "N" if self.use_load_libtiff else "B" if tags.prefix == b"MM" else ""
        self.tile = [
            tile._replace(args=_with_raw_mode(tile.args, raw.format(order), bits))
            for tile in self.tile
        ]


def _with_raw_mode(args: Any, raw: str, bits: int) -> Any:
    _, stride, last = args
    if isinstance(stride, bool) or not stride:
        return raw, stride, last
    return raw, stride * bits // min(32, max(16, bits)), last


def _described(tags: Any) -> SampleFormat | None:
    """Describe the samples, or return None for several per pixel or a palette."""
    photometric = tags.get(_PHOTOMETRIC, 1)
    if photometric not in (0, 1) or tags.get(_SAMPLES, 1) != 1 or tags.get(_EXTRA):
        return None
    kind = _KINDS.get(_first(tags.get(_SAMPLE_FORMAT)) or 1)
    bits = _first(tags.get(_BITS)) or 1
    if kind is None:
        return None
    low, high = _number(tags.get(_S_MIN)), _number(tags.get(_S_MAX))
    declared = None
    if high is not None and (low is not None or kind == "u"):
        declared = (low or 0.0, high)
    return SampleFormat(int(bits), kind, declared, photometric == 0, _number(tags.get(_NO_DATA)))


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and value else value


def _number(value: Any) -> float | None:
    try:
        number = float(str(_first(value)).strip("\0 "))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
