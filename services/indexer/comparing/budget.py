"""Choice of deletions within a budget of error.

Each picture that goes was compared with the one that stays for it, so that no chain of
resemblances (A like B, B like C) deletes a picture that nobody compared with what is kept.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.indexer.comparing.judge import Judge

CONFIDENCE = 0.95
_LEAST_COVER = 0.8
"""Share of what a picture shows that the kept one must show: a part never stands for the whole."""
_LEAST_SAME = 0.5
"""Chance from which a pair is called the same picture."""


@dataclass(frozen=True)
class Edge:
    """A pair, first < second, with its score and how much each covers of the other.

    exact: the pixels are the same.
    """

    first: int
    second: int
    score: float
    covers_first: float
    covers_second: float
    exact: bool = False


@dataclass(frozen=True)
class Deletion:
    """A picture that goes, and the one that is kept for it."""

    gone: int
    kept: int
    score: float
    probability: float
    exact: bool


@dataclass(frozen=True)
class Choice:
    """Deletions, the surest first, of which `within` keep to the budget.

    expected: the number of these that is expected to be wrong, at most; most: with 95 % confidence.
    """

    deletions: list[Deletion]
    within: int
    expected: float
    most: int


@dataclass(frozen=True)
class Ranking:
    """Deletions, the surest first, and how many of the first 1, 2, ... are expected to be wrong.

    shape, clump: of the judge.
    """

    deletions: list[Deletion]
    expected: NDArray[np.float64]
    shape: float
    clump: float

    def within(self, budget: float) -> Choice:
        """Return the longest list of which at most that share is wrong, with 95 % confidence."""
        count = len(self.deletions)
        while count:
            allowed = math.floor(budget * count + 1e-9)
            expected = float(self.expected[count - 1])
            most = quantile(expected, self.shape, self.clump)
            if most <= allowed:
                return Choice(self.deletions, count, expected, most)
            # No longer list of which more are expected is within what this one is allowed.
            bound = self._greatest_mean(allowed)
            within = int(np.searchsorted(self.expected[:count], bound, side="right"))
            count = min(count - 1, within)
        return Choice(self.deletions, 0, 0.0, 0)

    def _greatest_mean(self, allowed: int) -> float:
        """Return a number that is hardly over the greatest mean whose quantile is allowed."""
        low, high = 0.0, allowed + 1.0
        while high - low > 1e-9 * (1 + high):
            middle = (low + high) / 2
            if quantile(middle, self.shape, self.clump) <= allowed:
                low = middle
            else:
                high = middle
        return high


def rank(
    edges: Sequence[Edge],
    compared: int,
    pictures: int,
    order: Mapping[int, tuple[float, ...]],
    judge: Judge,
) -> Ranking:
    """Return the deletions of a collection.

    compared: pairs that were looked at, of which `edges` are the likelier ones. pictures: how many
    pictures these are of. order: what is kept: of each image, the greater stays.
    """
    scores = np.array([edge.score for edge in edges], np.float64)
    chances = judge.probabilities(scores, compared - len(edges))
    deletions = _greedy(edges, chances, order)
    return Ranking(deletions, _expected(deletions, pictures, judge), judge.shape, judge.clump)


def quantile(mean: float, shape: float, clump: float = 1.0) -> int:
    """Return the least number of wrong deletions that is exceeded in at most 5 % of collections.

    They come in clumps, whose rate differs between collections by a gamma distribution of that
    shape: so the number of clumps has a negative binomial one. clump: mean size.
    """
    mean = mean / clump
    term = total = math.exp(-shape * math.log1p(mean / shape))
    number = 0
    while total < CONFIDENCE:
        term *= (shape + number) / (number + 1) * mean / (shape + mean)
        number += 1
        total += term
    return math.ceil(number * clump)


def _greedy(
    edges: Sequence[Edge], chances: NDArray[np.float64], order: Mapping[int, tuple[float, ...]]
) -> list[Deletion]:
    """Deletions by stars: the best picture of a neighbourhood stays, and what it covers goes."""
    near: dict[int, list[tuple[int, float, Edge, float]]] = {}
    for edge, chance in zip(edges, chances.tolist(), strict=True):
        if edge.exact:
            chance = 1.0
        if chance >= _LEAST_SAME and edge.first in order and edge.second in order:
            near.setdefault(edge.first, []).append((edge.second, edge.covers_second, edge, chance))
            near.setdefault(edge.second, []).append((edge.first, edge.covers_first, edge, chance))
    gone: dict[int, Deletion] = {}
    kept: set[int] = set()
    for one in sorted(near, key=lambda one: (order[one], -one), reverse=True):
        if one in gone:
            continue
        kept.add(one)
        for other, covered, edge, chance in near[one]:
            if other in kept or covered < _LEAST_COVER:
                continue
            known = gone.get(other)
            if known is None or known.probability < chance:
                gone[other] = Deletion(other, one, edge.score, chance, edge.exact)
    return sorted(gone.values(), key=lambda it: (not it.exact, -it.score, it.gone))


def _expected(deletions: Sequence[Deletion], pictures: int, judge: Judge) -> NDArray[np.float64]:
    """Number of wrong ones among the first 1, 2, ... deletions: the greater of two estimates.

    One adds up the chances. The other is the number of pictures that look-alikes would cost at
    that score, by what was measured: it holds where the chances are too sure of themselves. It
    counts pictures, not pairs: a wrong one is in several of these.
    """
    doubts = np.cumsum([0.0 if one.exact else 1 - one.probability for one in deletions])
    tails = [0.0 if one.exact else pictures * judge.wrong_share(one.score) for one in deletions]
    return np.maximum(doubts, tails) if len(deletions) else np.empty(0)
