"""Metrics of ranked answers to labelled queries, excluding each query's own image.

Names and definitions as in Manning et al., "Introduction to Information Retrieval" (2008), ch. 8;
the caller must leave out queries without relevant images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_RESAMPLES = 2000


def average_precision(relevant: Flags, total: int) -> float:
    """Return the average precision of one ranked answer; relevant images not in it count as never
    found.

    relevant: of each hit, the best first. total: how many there are to find, > 0.
    """
    places = np.flatnonzero(relevant)
    return float((np.arange(1, len(places) + 1) / (places + 1)).sum() / total)


def precision(relevant: Flags, k: int) -> float:
    """The share of the first k places that holds a relevant hit."""
    return float(relevant[:k].sum() / k)


def recall(relevant: Flags, k: int, total: int) -> float:
    """Return the share of the relevant images among the first k hits."""
    return float(relevant[:k].sum() / total)


def ndcg(relevant: Flags, k: int, total: int) -> float:
    """Normalised discounted cumulative gain of the first k hits, with gains of 0 and 1."""
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gained = discounts[: len(relevant[:k])][relevant[:k]].sum()
    return float(gained / discounts[: min(k, total)].sum())


@dataclass(frozen=True)
class Interval:
    """A mean, and where 95 % of resampled means lie."""

    mean: float
    low: float
    high: float


def interval(values: Floats, seed: int = 0) -> Interval:
    """The mean over n > 0 queries with its bootstrap interval (Efron 1979), by percentiles."""
    rng = np.random.default_rng(seed)
    means = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        means[number] = values[rng.integers(len(values), size=len(values))].mean()
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def difference(first: Floats, second: Floats, seed: int = 0) -> Interval:
    """Return the mean paired difference of the second and the first, over the same queries."""
    return interval(second - first, seed)
