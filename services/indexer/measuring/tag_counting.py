"""Measures how far the number of right carriers of a tag lies from what probabilities say."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.indexer.measuring import tag_trust
from shared.engines.engine import Index
from shared.engines.ivf.index import InvertedIndex

_LEAST_TAGS = 8
_MISTAKEN = (0.0, 0.02, 0.05, 0.1)
_COVERED = 0.9
_LIKELY = 0.5
_NORMAL = 1.645
_CHANCE = 0.25
"""Added to the variance: a count is a whole number."""


def tag_spread(index: Index, tags: Mapping[int, Sequence[str]], seed: int) -> float | None:
    """How many times farther than by chance the counts of nine in ten tags lie; None: too few tags.

    Mistakes are put into the tags, as nobody says which are there; carriers that are unlikely
    before count as mistakes, too. The curve is fitted on the same tags, as that of a build is.
    """
    if not isinstance(index, InvertedIndex):
        return None
    rng = np.random.default_rng(seed)
    scores = tag_trust.scores_by_tag(index, tags, rng)
    if len(scores) < _LEAST_TAGS:
        return None
    as_they_are = tag_trust.fitted_curve([carriers for carriers, _ in scores], scores)
    if as_they_are is None:
        return None
    off: list[float] = []
    for share in _MISTAKEN:
        mixed = [tag_trust.with_mistakes(one, rng, share) for one in scores]
        curve = tag_trust.fitted_curve([carriers for carriers, _ in mixed], scores)
        if curve is None:
            return None
        for (before, _), (carriers, kept) in zip(scores, mixed, strict=True):
            right = int((kept & (as_they_are(before) >= _LIKELY)).sum())
            chances = curve(carriers)
            counted = float(chances.sum())
            variance = float((chances * (1 - chances)).sum()) + _CHANCE
            # The nearest whole number is in every interval.
            error = 0.0 if right == round(counted) else abs(right - counted)
            off.append(error / variance**0.5)
    return max(float(np.quantile(off, _COVERED)) / _NORMAL, 0.1)
