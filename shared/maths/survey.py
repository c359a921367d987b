"""Precision of first hits, measured by few judgements.

Hits are drawn with chances by how unsure their probability is and what asking costs, and each
judgement corrects the probabilities' mean by as many hits as it stands for (difference estimator
with probability-proportional sampling: Hansen & Hurwitz 1943; Saerndal, Swensson & Wretman 1992).
It is right on average however bad the probabilities are; good ones save judgements.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contracts.judgements import SCREEN

Floats = NDArray[np.float64]

LEAST = 20
"""Judgements that an estimate needs."""
_NINE_IN_TEN = 1.645
_LEAST_CHANCE = 0.1
"""Probabilities are not believed beyond it, nor beyond one less it."""
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
        bounded = np.clip(predicted, _LEAST_CHANCE, 1 - _LEAST_CHANCE)
        # What an answer tells, by what it costs: a hit is taken as what is likelier, and named if
        # it is not so; going to the next screen is shared by its hits. The best shares are as the
        # deviation over the root of the cost (Neyman 1934, with costs).
        cost = np.minimum(bounded, 1 - bounded) + 1 / SCREEN
        worth = np.sqrt(bounded * (1 - bounded) / cost).ravel()
        self._shares = worth / worth.sum()

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
