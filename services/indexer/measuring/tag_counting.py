"""Measures how far the number of right carriers of a tag lies from what probabilities say."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.indexer.measuring import tag_trust
from shared.engines.engine import Index
from shared.engines.ivf.index import InvertedIndex

_LEAST_TAGS = 8
_MISTAKEN = (0.0, 0.02, 0.05, 0.1)
_COVERED = 0.9
_NORMAL = 1.645
_CHANCE = 0.25
"""Added to the variance: a count is a whole number."""


def tag_spread(index: Index, tags: Mapping[int, Sequence[str]], seed: int) -> float | None:
    """How many times farther than by chance the counts of nine in ten tags lie; None: too few tags.

    Mistakes are put into the tags, as nobody says which are there. Tags are judged by a curve that
    was fitted on others.
    """
    if not isinstance(index, InvertedIndex):
        return None
    rng = np.random.default_rng(seed)
    scores = tag_trust.scores_by_tag(index, tags, rng)
    if len(scores) < _LEAST_TAGS:
        return None
    off: list[float] = []
    halves = scores[::2], scores[1::2]
    for share in _MISTAKEN:
        for fitted_on, judged in (halves, halves[::-1]):
            mixed = [tag_trust.with_mistakes(one, rng, share)[0] for one in fitted_on]
            curve = tag_trust.fitted_curve(mixed, fitted_on)
            if curve is None:
                return None
            for one in judged:
                carriers, right = tag_trust.with_mistakes(one, rng, share)
                chances = curve(carriers)
                variance = float((chances * (1 - chances)).sum()) + _CHANCE
                off.append(abs(float(right.sum()) - float(chances.sum())) / variance**0.5)
    return max(float(np.quantile(off, _COVERED)) / _NORMAL, 0.1)
