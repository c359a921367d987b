"""How surely a picture shows a tag that it carries, by how like it is to other carriers of it.

Of carriers, a share e carries the tag by mistake; their scores are distributed as those of
pictures without the tag. At the lowest scores, where right carriers hardly occur, the ratio of both
densities is e (mixture proportion estimation; Blanchard, Lee & Scott, JMLR 2010), and a carrier of
some score is right with probability 1 - e f0 / f1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.maths import calibration
from shared.maths.calibration import Isotonic

Floats = NDArray[np.float64]

_LOWEST, _HIGHEST = 0.02, 0.99
_MOST_WRONG = 0.5
"""Of a tag's carriers, at most; with more wrong ones the tag means something else."""


def fit(carriers: Floats, others: Floats) -> Isotonic | None:
    """The probability by score, from scores of carriers and of pictures without the tag.

    None where there is too little to learn from, or scores tell nothing.
    """
    count = min(len(carriers), len(others))
    if not count:
        return None
    # As many of either, spread over all: the curve is then that of the densities.
    some = [each[np.linspace(0, len(each) - 1, count).astype(int)] for each in (carriers, others)]
    ratio = calibration.fit(np.concatenate(some), np.repeat([True, False], count))
    if ratio is None:
        return None
    shares = np.clip(ratio.probabilities, 1e-6, 1 - 1e-6)
    wrong = min(float((shares / (1 - shares)).min()), _MOST_WRONG)
    right = np.clip(1 - wrong * (1 - shares) / shares, _LOWEST, _HIGHEST)
    return Isotonic(ratio.scores, np.maximum.accumulate(right))


def likeness(
    vectors: NDArray[np.floating[Any]], carriers: NDArray[np.floating[Any]], own: NDArray[np.bool_]
) -> Floats:
    """Cosine of each vector (n, dim) to the mean of a tag's carriers (m, dim) without itself.

    All of length 1. own (n,): which of the vectors are among the carriers.
    """
    total = carriers.sum(axis=0)
    means = total[None] - np.where(own[:, None], vectors, 0)
    lengths = np.linalg.norm(means, axis=1)
    found: Floats = np.einsum("ij,ij->i", vectors, means) / np.where(lengths > 0, lengths, 1)
    return found


def sample(carriers: NDArray[np.int64], most: int = 64) -> NDArray[np.int64]:
    """Carriers that stand for all of a tag's, always the same ones."""
    if len(carriers) <= most:
        return carriers
    chosen: NDArray[np.int64] = carriers[np.linspace(0, len(carriers) - 1, most).astype(int)]
    return chosen


def unit(vectors: NDArray[np.floating]) -> Floats:
    """Rows of length 1, float64."""
    rows = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = rows / np.where(lengths > 0, lengths, 1)
    return scaled
