"""Probability that people call a picture, or the main thing in it, by a colour.

Two logistic curves over the share of the colour, fitted to 300 photos that were judged by eye
(`python -m benchmarks colors`; decision 67 tells how).
"""

import numpy as np
from numpy.typing import NDArray

from shared.core.color_names import MONOCHROME

Floats = NDArray[np.float64]

_PICTURE = (3.411, 1.764, -1.790)
_THING = (1.957, 1.506, -1.502)
"""Weights of one, of the logarithm of the share, and of the share."""
_FLOOR = 0.02
"""Added to a share: smaller ones are not kept."""
_COLORLESS = ((0.0, 0.0), (0.94, 0.03), (0.99, 0.95), (1.0, 0.98))
"""Probability of a picture without colours, by the share of its pixels that have none."""


def of_picture(shares: NDArray[np.floating], colors: tuple[str, ...]) -> Floats:
    """Return how probably pictures are called by colours, by their shares."""
    return _colorless(shares) if colors == (MONOCHROME,) else _logistic(shares, _PICTURE)


def of_thing(shares: NDArray[np.floating], colors: tuple[str, ...]) -> Floats:
    """Return how probably the main thing in pictures is called by colours."""
    return _colorless(shares) if colors == (MONOCHROME,) else _logistic(shares, _THING)


def _logistic(shares: NDArray[np.floating], weights: tuple[float, float, float]) -> Floats:
    each = np.asarray(shares, np.float64)
    one, by_log, by_share = weights
    found: Floats = 1 / (1 + np.exp(-(one + by_log * np.log(each + _FLOOR) + by_share * each)))
    return found


def _colorless(shares: NDArray[np.floating]) -> Floats:
    at, chances = np.array(_COLORLESS).T
    found: Floats = np.interp(np.asarray(shares, np.float64), at, chances)
    return found
