"""Samples of more than 8 bits, signed or floating-point, as 8-bit grey.

The range mapped to 0 to 255 is the one that the format declares: SMinSampleValue and
SMaxSampleValue of TIFF, else all values of an unsigned integer of up to 16 bits. Floats, signed
integers and 32-bit integers have no declared range; then the smallest usual range that contains
nearly all values is used or, if the values fill little of it, their own range. Outliers don't
count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Range = tuple[float, float]

_FEW = 0.5
"""Percent of the values at each end that may lie outside of a range, as bright spots do."""
_LEAST_FILLED = 0.25
_SAMPLE = 2_000_000
"""Values that are looked at; percentiles of more take long and say the same."""
_HALF_ENOUGH = 0.5
_OF_SENSORS = frozenset({(0.0, 1023.0), (0.0, 4095.0), (0.0, 16383.0)})


@dataclass(frozen=True)
class SampleFormat:
    """Description of samples in a file.

    `bits`: significant bits of a sample. `kind`: `u`, `i` or `f` as in numpy. `declared`: range
    declared by the file. `white_is_zero`: the lowest value is white. `no_data`: value of pixels
    without a measurement.
    """

    bits: int
    kind: str
    declared: Range | None = None
    white_is_zero: bool = False
    no_data: float | None = None


def eight_bits(values: NDArray[np.generic], sample: SampleFormat) -> NDArray[np.uint8]:
    """Map the samples of one channel, of any numeric dtype, to uint8. NaN becomes black."""
    low, high = _range(_looked_at(values, sample), sample)
    # Use float64, which takes 800 MB for 100 million samples, only if the samples are far from zero
    # and near each other.
    wide = np.float64 if max(abs(low), abs(high)) > 1e4 * (high - low) else np.float32
    scaled: NDArray[np.floating[Any]] = values.astype(wide)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled -= wide(low)
        scaled *= wide(255.0 / (high - low))
    np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    grey = np.clip(np.rint(scaled, out=scaled), 0, 255, out=scaled).astype(np.uint8)
    if sample.white_is_zero:
        grey = 255 - grey
    if sample.no_data is not None:
        grey[values == sample.no_data] = 0
    return grey


def _looked_at(values: NDArray[np.generic], sample: SampleFormat) -> Floats:
    """Return the values that the range is taken from, of a large picture a part of them."""
    flat = values.ravel()
    if flat.size > _SAMPLE:
        flat = flat[np.random.default_rng(0).integers(0, flat.size, _SAMPLE)]
    found = flat.astype(np.float64)
    known = np.isfinite(found)
    if sample.no_data is not None:
        known &= found != sample.no_data
    return found[known]


def _range(values: Floats, sample: SampleFormat) -> Range:
    if not values.size:
        return 0.0, 1.0
    if sample.declared is not None and _holds(sample.declared, values):
        return sample.declared
    if sample.kind == "u" and sample.bits <= 16:
        return 0.0, float(2**sample.bits - 1)
    return _guessed(values, sample)


def _holds(declared: Range, values: Floats) -> bool:
    """Tell whether a declared range can be that of these values: some writers leave it wrong."""
    low, high = declared
    if not high > low:
        return False
    inside = np.count_nonzero((values >= low) & (values <= high))
    return bool(inside > _HALF_ENOUGH * values.size)


def _guessed(values: Floats, sample: SampleFormat) -> Range:
    """Return the usual range that the values are written in, or else their own."""
    low, high = np.percentile(values, (_FEW, 100 - _FEW))
    # Ranges of 10, 12 and 14 bits come from sensors, whose values are whole numbers.
    is_whole = sample.kind != "f" or bool(np.all(values == np.rint(values)))
    for usual in _usual(sample):
        if not is_whole and usual in _OF_SENSORS:
            continue
        # Sharpening and rounding exceed the range a little.
        slack = 0.02 * (usual[1] - usual[0]) if sample.kind == "f" else 0.0
        if usual[0] - slack <= low and high <= usual[1] + slack:
            span = high if usual[0] >= 0 else high - low
            filled = span / (usual[1] - usual[0])
            least = 0.02 if usual == (0.0, 1.0) and sample.kind == "f" else _LEAST_FILLED
            is_flat = usual[1] > 255 and low > high / 2
            if filled >= least and not is_flat:
                return usual
            break
    return _own(values, float(low), float(high))


def _usual(sample: SampleFormat) -> Sequence[Range]:
    """Return the ranges that samples of that kind are written in, the smallest first."""
    whole = [(0.0, float(2**bits - 1)) for bits in (8, 10, 12, 14, 16)]
    signed = [(-128.0, 127.0), (-32768.0, 32767.0)]
    if sample.kind == "f":
        return [(0.0, 1.0), (-1.0, 1.0), *whole, *signed]
    if sample.kind == "i" and sample.bits <= 16:
        widest = float(2 ** (sample.bits - 1))
        whole = [one for one in whole if one[1] < widest]
        return [(0.0, 1.0), *whole, (0.0, widest - 1), (-widest, widest - 1)]
    wide = [(0.0, 2.0**31 - 1), (0.0, 2.0**32 - 1), (-(2.0**31), 2.0**31 - 1)]
    return [(0.0, 1.0), *whole, *signed, *wide]


def _own(values: Floats, low: float, high: float) -> Range:
    """Return the range of the values without outliers."""
    span = high - low
    least, most = float(values.min()), float(values.max())
    if least >= low - span / 2:
        low = least
    if most <= high + span / 2:
        high = most
    if 0 <= low < (high - low) / 3:
        # Measure from zero, which is black.
        low = 0.0
    if not high > low:
        return (low, low + 1.0) if low <= 0 else (0.0, low)
    return low, high
