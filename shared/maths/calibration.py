"""Calibrated probability: the share of matches among hits with a given score.

Isotonic regression (Zadrozny & Elkan, KDD 2002) assumes only that the probability of a match rises
with the score. It is fitted by pooling adjacent violators (Ayer et al., 1955) over equal-mass bins,
and interpolated linearly between the bins' means.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Smaller bins follow the noise.
_BINS = 100
_PAIRS_A_BIN = 25
# Bins of the expected calibration error and of the reliability curve.
_REPORT_BINS = 15


@dataclass(frozen=True)
class Isotonic:
    """Knots of a rising curve: scores ascending, probabilities not falling, float64 (n,)."""

    scores: Floats
    probabilities: Floats

    def __call__(self, scores: Floats) -> Floats:
        """The probability at each score; flat beyond the ends."""
        return np.interp(scores, self.scores, self.probabilities)


@dataclass(frozen=True)
class Reliability:
    """Accuracy of probabilities. `expected_error`: ECE, the mean gap over bins of equal mass.

    brier: mean squared error; base_rate_brier: that of always predicting the share of matches.
    predicted, matched: the bins' means, float64 (bins,).
    """

    expected_error: float
    brier: float
    base_rate_brier: float
    predicted: Floats
    matched: Floats


def fit(scores: Floats, matched: NDArray[np.bool_]) -> Isotonic | None:
    """Fit a curve to (n,) pairs; return None if all or none matched, or there are no pairs."""
    hits = int(matched.sum())
    if hits in (0, len(matched)):
        return None
    order = np.argsort(scores, kind="stable")
    bins = max(1, min(_BINS, len(scores) // _PAIRS_A_BIN))
    parts = [part for part in np.array_split(order, bins) if len(part)]
    masses = np.array([len(part) for part in parts], np.float64)
    # Add one pair at the base rate to each bin, so that no probability is 0 or 1.
    base = hits / len(matched)
    rates = np.array([(matched[part].sum() + base) / (len(part) + 1) for part in parts])
    middles = np.array([scores[part].mean() for part in parts])
    rising = _pooled(rates, masses)
    # Bins of one score, as of identical pictures, become one knot.
    knots, first = np.unique(middles, return_index=True)
    return Isotonic(knots, np.maximum.accumulate(rising[first]))


def _pooled(values: Floats, masses: Floats) -> Floats:
    """The rising sequence nearest to `values` in least squares, each weighed by its mass."""
    means: list[float] = []
    weights: list[float] = []
    lengths: list[int] = []
    for value, mass in zip(values.tolist(), masses.tolist(), strict=True):
        means.append(value)
        weights.append(mass)
        lengths.append(1)
        while len(means) > 1 and means[-2] >= means[-1]:
            weight = weights[-2] + weights[-1]
            means[-2:] = [(means[-2] * weights[-2] + means[-1] * weights[-1]) / weight]
            weights[-2:] = [weight]
            lengths[-2:] = [lengths[-2] + lengths[-1]]
    return np.repeat(means, lengths)


def reliability(predicted: Floats, matched: NDArray[np.bool_]) -> Reliability:
    """Measure the worth of probabilities over (n,) pairs, n > 0."""
    truth = matched.astype(np.float64)
    parts = np.array_split(np.argsort(predicted, kind="stable"), min(_REPORT_BINS, len(truth)))
    predictions = np.array([predicted[part].mean() for part in parts])
    were = np.array([truth[part].mean() for part in parts])
    masses = np.array([len(part) for part in parts]) / len(truth)
    return Reliability(
        expected_error=float((np.abs(predictions - were) * masses).sum()),
        brier=float(((predicted - truth) ** 2).mean()),
        base_rate_brier=float(((truth.mean() - truth) ** 2).mean()),
        predicted=predictions,
        matched=were,
    )
