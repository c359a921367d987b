"""Calibration from the hits of queries, evaluated on other queries."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contracts.calibration import Calibration
from shared.contracts.query import Metric
from shared.maths import calibration

# Fewer pairs are not significant.
_LEAST_PAIRS = 100


@dataclass(frozen=True)
class Pairs:
    """Scores of hits, whether each matched, and the number of the query that found it."""

    scores: NDArray[np.float64]
    matched: NDArray[np.bool_]
    queries: NDArray[np.int64]

    def take(self, which: NDArray[np.bool_]) -> "Pairs":
        return Pairs(self.scores[which], self.matched[which], self.queries[which])


def calibrated(pairs: Pairs, space: str, metric: Metric) -> Calibration | None:
    """Return the curve to serve, with its evaluation; None with too little data."""
    if len(pairs.scores) < _LEAST_PAIRS:
        return None
    even = pairs.queries % 2 == 0
    halves = pairs.take(even), pairs.take(~even)
    # Judge each half by the other's curve; serve a curve fitted to both.
    curves = [calibration.fit(half.scores, half.matched) for half in halves]
    whole = calibration.fit(pairs.scores, pairs.matched)
    first, second = curves
    if whole is None or first is None or second is None:
        return None
    curve = calibration.reliability(
        np.concatenate([second(halves[0].scores), first(halves[1].scores)]),
        np.concatenate([half.matched for half in halves]),
    )
    return Calibration(
        space=space,
        metric=metric,
        scores=whole.scores.tolist(),
        probabilities=whole.probabilities.tolist(),
        queries=len(np.unique(pairs.queries)),
        pairs=len(pairs.scores),
        expected_error=curve.expected_error,
        brier=curve.brier,
        base_rate_brier=curve.base_rate_brier,
        predicted=curve.predicted.tolist(),
        matched=curve.matched.tolist(),
    )
