"""Agreement of an engine's features with those of the reference."""

import numpy as np

from services.embedder.engines.engine import Floats


def least_cosine(found: Floats, expected: Floats) -> float:
    """Return the least cosine of two rows; NaN where shapes differ or a row has no length."""
    if found.shape != expected.shape:
        return float("nan")
    dots = (found * expected).sum(axis=1)
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    with np.errstate(invalid="ignore"):
        return float((dots / norms).min())
