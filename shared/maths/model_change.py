"""Expected change of P@10 by another model, from a small sample that both models embedded.

Hits are sparser in a sample than in the collection, so its first ten are no first ten. Each hit
therefore stands for as many pictures as it was drawn from: hits that match for the query's matches,
the others for all others. The first ten pictures by these weights are about as near as the first
ten of the collection (ratio estimation; Saerndal, Swensson & Wretman 1992). Both models are judged
on the same sample, so that what a sample gets wrong alike cancels out.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HITS = 10
LEAST_KINDS = 8
"""Tags that a sample needs."""
_RESAMPLED = 2000
_COVERED = 1.96
_OF_THE_SAMPLE = 0.022
"""Standard deviation of what a sample can't show, as how neighbours in the whole collection change
the order: measured by `python -m benchmarks receipt`."""


@dataclass(frozen=True)
class Change:
    """A change of P@10 with its 95 % interval."""

    value: float
    low: float
    high: float


def precision_by_weight(matched: NDArray[np.bool_], matches: Floats, others: Floats) -> Floats:
    """P@10 of each query, (n,), as it would be in the whole collection.

    matched: which hits match, by rank, (n, hits). matches, others: how many pictures a matching
    hit and another one stand for, (n,).
    """
    weights = np.where(matched, matches[:, None], others[:, None])
    before = np.cumsum(weights, axis=1) - weights
    counted = np.clip(HITS - before, 0, weights)
    found: Floats = (counted * matched).sum(axis=1) / HITS
    return found


def expected_change(
    former: Floats, new: Floats, weights: Floats, kinds: NDArray[np.int64], seed: int
) -> Change | None:
    """The change from P@10 of queries by two models, (n,); None where there are too few kinds.

    weights: how many pictures a query stands for. kinds: the tag that a query was drawn for; those
    of one tag fail together, so that whole tags are resampled.
    """
    distinct, of = np.unique(kinds, return_inverse=True)
    if len(distinct) < LEAST_KINDS:
        return None
    gained = np.bincount(of, weights * (new - former))
    total = np.bincount(of, weights)
    value = float(gained.sum() / total.sum())
    drawn = np.random.default_rng(seed).integers(0, len(distinct), (_RESAMPLED, len(distinct)))
    spread = float((gained[drawn].sum(axis=1) / total[drawn].sum(axis=1)).std())
    half = _COVERED * math.hypot(spread, _OF_THE_SAMPLE)
    return Change(value, max(value - half, -1.0), min(value + half, 1.0))
