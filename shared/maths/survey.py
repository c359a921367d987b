"""Precision of first hits, measured by few judgements.

Hits are drawn with chances in proportion to how unsure their probability is, and each judgement
corrects the probabilities' mean by as many hits as it stands for (difference estimator with
probability-proportional sampling: Hansen & Hurwitz 1943; Saerndal, Swensson & Wretman 1992). It is
right on average however bad the probabilities are; good ones save judgements.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 20
"""Judgements that an estimate needs."""
_NINE_IN_TEN = 1.645
_LEAST_SHARE = 0.1
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Precision:
    """An estimate with its 90 % interval."""

    value: float
    low: float
    high: float


class Survey:
    """Hits of some searches, (searches, hits), by the probability of each to be right."""

    def __init__(self, predicted: Floats) -> None:
        self.predicted = predicted
        doubt = np.maximum(np.sqrt(predicted * (1 - predicted)), _LEAST_SHARE).ravel()
        self._shares = doubt / doubt.sum()

    def draw(self, count: int, start: float) -> NDArray[np.int64]:
        """Places of hits to judge, (count,), in the flattened survey; one may come twice.

        start: between 0 and 1. Any first ones of the draw lie evenly over the probabilities, by the
        golden ratio.
        """
        order = np.argsort(self.predicted.ravel(), kind="stable")
        ends = np.cumsum(self._shares[order])
        points = (start + np.arange(count) * _GOLDEN) % 1.0
        drawn: NDArray[np.int64] = order[np.minimum(np.searchsorted(ends, points), len(order) - 1)]
        return drawn

    def weights(self, drawn: NDArray[np.int64]) -> Floats:
        """How much each of the drawn hits stands for."""
        found: Floats = 1 / (len(self._shares) * self._shares[drawn])
        return found


def estimate(
    predicted: Floats, right: NDArray[np.bool_], expected: Floats, weights: Floats
) -> Precision | None:
    """The precision of a survey, by judgements of some of its hits; None for too few.

    predicted: of all hits of the survey, (searches, hits). right, expected, weights: of the hits
    that were judged, (n,): the judgement, the probability and the weight when it was drawn.
    """
    count = len(right)
    if count < LEAST:
        return None
    corrections = weights * (right - expected)
    value = float(predicted.mean() + corrections.mean())
    of_judging = float(corrections.var(ddof=1)) / count
    # The searches of the survey are a sample, too.
    of_searches = float(predicted.mean(axis=1).var(ddof=1)) / len(predicted)
    half = _NINE_IN_TEN * math.sqrt(of_judging + of_searches)
    value = min(max(value, 0.0), 1.0)
    return Precision(value, max(value - half, 0.0), min(value + half, 1.0))
