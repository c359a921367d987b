"""How many pictures match, whether any does, and what the shortest list is that holds one.

The probabilities of all hits add up to a count. How far such counts are off is learnt on searches
by tags that the probabilities were not fitted on (cross-conformal prediction: Vovk 2015; Barber et
al., CV+, Ann. Stat. 2021): an interval covers 90 % of those errors, at the doubt of the search at
hand. Lists that hold a match with a given chance come from conformal risk control (Angelopoulos,
Bates, Fisch, Lei & Schuster, 2022): the least evidence that a list must gather, so that at most the
allowed share of searches has a list without a match.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contracts.counting import Counting
from shared.maths.evidence import (
    PLACES,
    Evidence,
    context,
    far_features,
    near_features,
    presence_features,
)
from shared.maths.regression import sigmoid

Floats = NDArray[np.float64]

HALF = 0.5
"""Added to counts, so that 0 has a logarithm."""
_MOST_CERTAIN = 0.999
_EVEN = 1e-9


@dataclass(frozen=True)
class Count:
    """How many of the pictures that were looked at match, and the chance that any does.

    chances: of each hit, (n,). matches: their corrected number. low, high: its 90 % interval.
    presence: log-odds that anything matches.
    """

    chances: Floats
    matches: float
    low: float
    high: float
    presence: float

    @property
    def whole(self) -> tuple[int, int, int]:
        """The whole numbers: the lower end, the matches, the upper end."""
        return whole_numbers(self.low, self.matches, self.high)

    @property
    def present(self) -> float:
        """The probability that anything matches, where a match and none are as likely before."""
        return float(sigmoid(np.array(self.presence)))


class Counter:
    """Counts the matches of searches by what was learnt."""

    def __init__(self, learnt: Counting) -> None:
        self.learnt = learnt
        self._near = np.array(learnt.near.weights)
        self._far = np.array(learnt.far.weights)
        self._correction = np.array(learnt.correction.weights)
        self._doubt = np.array(learnt.doubt.weights)
        self._presence = np.array(learnt.presence.weights)

    def chances(self, of: Evidence) -> Floats:
        """The probability of each hit to match."""
        near = sigmoid(near_features(of) @ self._near)
        far = sigmoid(far_features(of, near) @ self._far)
        # What lies behind is not likelier than the end of what was looked at closely.
        return np.concatenate([near, far])

    def count(self, of: Evidence, kept: NDArray[np.bool_] | None = None) -> Count:
        """Count the matches among a ranking's hits, at least one. kept: those that a filter passes.

        A filter keeps its share of the count; the interval is that of the share of the whole, and
        wider by the chance that falls to fewer pictures.
        """
        chances = self.chances(of)
        features = context(of, chances)
        presence = float(presence_features(of, chances) @ self._presence)
        middle = features[1] + float(features @ self._correction)
        doubt = float(features @ self._doubt)
        low = middle + float(np.interp(doubt, self.learnt.doubts, self.learnt.low))
        high = middle + float(np.interp(doubt, self.learnt.doubts, self.learnt.high))
        ends = [max(math.exp(one) - HALF, 0.0) for one in (low, middle, high)]
        # That nothing matches is said of one in twenty searches that have a match.
        ends[0] = 0.0 if presence < self.learnt.least_presence else max(ends[0], 1.0)
        ends[1] = max(ends[:2])
        if kept is not None:
            ends = _shared(ends, chances, kept)
        return Count(chances, ends[1], ends[0], max(ends[1], ends[2]), presence)

    def promised(self, count: Count, guarantee: float) -> int | None:
        """The length of the shortest list that holds a match with that chance; None: there is none.

        The list takes hits in their order.
        """
        group = next(
            (one for one in self.learnt.groups if count.presence >= one.from_presence), None
        )
        if group is None:
            return None
        # One more search, of which nothing is known, counts as a failure.
        bound = [(group.queries * risk + 1) / (group.queries + 1) for risk in group.risks]
        enough = next(
            (
                mass
                for mass, risk in zip(group.masses, bound, strict=True)
                if risk <= 1 - guarantee + _EVEN
            ),
            None,
        )
        return None if enough is None else length_of(count.chances, enough)


def _shared(ends: list[float], chances: Floats, kept: NDArray[np.bool_]) -> list[float]:
    total = float(chances.sum())
    some = chances[kept]
    share = float(some.sum()) / total if total else 0.0
    noise = 1.645 * math.sqrt(float((some * (1 - some)).sum()) * max(1 - share, 0.0))
    low, middle, high = (end * share for end in ends)
    return [max(low - noise, 0.0), middle, min(high + noise, float(len(some)))]


def masses(chances: Floats) -> Floats:
    """Evidence that the first hits together hold a match, rising: (n,)."""
    found: Floats = np.cumsum(-np.log1p(-np.minimum(chances, _MOST_CERTAIN)))
    return found


def length_of(chances: Floats, mass: float) -> int:
    """How many first hits gather some evidence; all of them, where they don't."""
    enough = int(np.searchsorted(masses(chances), mass - _EVEN)) + 1
    return min(enough, len(chances), PLACES)


def whole_numbers(low: float, middle: float, high: float) -> tuple[int, int, int]:
    """The whole numbers of an interval, and the one nearest to its middle, which is one of them."""
    nearest = round(middle)
    return min(max(math.ceil(low), 0), nearest), nearest, max(math.floor(high), nearest)
