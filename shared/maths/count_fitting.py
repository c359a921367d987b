"""Learns to count matches from searches whose matches are known, see `counting.py`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.contracts.counting import Counting, Linear, Logistic, RiskGroup
from shared.maths.counting import HALF, masses
from shared.maths.evidence import (
    PLACES,
    Evidence,
    context,
    far_features,
    near_features,
    presence_features,
)
from shared.maths.regression import linear, logistic, sigmoid

Floats = NDArray[np.float64]

_FOLDS = 5
_LEAST_KINDS, _LEAST_SEARCHES = 8, 60
_PENALTY = 1.0
_CORRECTION_PENALTY, _PRESENCE_PENALTY = 20.0, 5.0
_KNOTS = 6
_LOW, _HIGH = 0.05, 0.95
_SMALLEST_ERROR = 0.05
_FALSE_ABSENT, _ABSENT_FOUND = 0.05, 0.99
_GROUPS = (0.15, 0.0)
"""Shares of searches with less presence than each group, from the clearest to the others."""
_MASSES = np.concatenate([[0.0], np.geomspace(0.01, 60, 160), [1e9]])
# Far hits that match are few: of the others so many are enough.
_FAR = 60


@dataclass(frozen=True)
class Search:
    """A search whose matches are known.

    matched: whether each hit matches. matches: how many pictures match, also beyond the hits.
    kind: number of the tag that it is of. absent: the evidence as it would be with no match.
    """

    evidence: Evidence
    matched: NDArray[np.bool_]
    matches: int
    kind: int
    absent: Evidence | None


@dataclass(frozen=True)
class _Curves:
    near: Floats
    far: Floats

    def chances(self, of: Evidence) -> Floats:
        near = sigmoid(near_features(of) @ self.near)
        return np.concatenate([near, sigmoid(far_features(of, near) @ self.far)])


def fit(searches: Sequence[Search], seed: int = 0) -> Counting | None:
    """Learn from searches of many kinds; None where there are too few or they tell nothing."""
    known = [one for one in searches if one.matches and len(one.evidence)]
    kinds = np.array([one.kind for one in known], np.int64)
    distinct = np.unique(kinds)
    if len(distinct) < _LEAST_KINDS or len(known) < _LEAST_SEARCHES:
        return None
    # All searches of a kind are in one fold, so that a kind is judged as a new one.
    order = np.random.default_rng(seed).permutation(distinct).tolist()
    fold_of = {kind: number % _FOLDS for number, kind in enumerate(order)}
    folds = np.array([fold_of[kind] for kind in kinds.tolist()])
    every = np.arange(len(known))
    chances: list[Floats] = [np.empty(0)] * len(known)
    absent: list[Floats | None] = [None] * len(known)
    for fold in range(_FOLDS):
        curves = _curves([known[i] for i in every[folds != fold].tolist()])
        if curves is None:
            return None
        for i in every[folds == fold].tolist():
            chances[i] = curves.chances(known[i].evidence)
            without = known[i].absent
            absent[i] = None if without is None else curves.chances(without)
    whole = _curves(known)
    if whole is None:
        return None
    counted = _Counted.of(known, chances, folds)
    presence = _Presence.of(known, chances, absent, folds)
    if presence is None:
        return None
    truth = np.log([one.matches + HALF for one in known])
    return Counting(
        near=Logistic(weights=whole.near.tolist()),
        far=Logistic(weights=whole.far.tolist()),
        correction=Linear(weights=counted.correction.tolist()),
        doubt=Linear(weights=counted.doubt.tolist()),
        doubts=counted.knots.tolist(),
        low=counted.low.tolist(),
        high=counted.high.tolist(),
        presence=Logistic(weights=presence.weights.tolist()),
        least_presence=presence.least,
        groups=_risks(searches, known, chances, presence.of_matching),
        queries=len(known),
        kinds=len(distinct),
        error=float(np.abs(counted.errors).mean()),
        base_error=float(np.abs(truth - np.median(truth)).mean()),
        auroc=presence.auroc,
    )


def _curves(searches: Sequence[Search]) -> _Curves | None:
    near = np.concatenate([near_features(one.evidence) for one in searches])
    truth = np.concatenate([one.matched[: one.evidence.near] for one in searches])
    if truth.all() or not truth.any():
        return None
    weights = logistic(near, truth, _PENALTY)
    rows, far = [], []
    for one in searches:
        chances = sigmoid(near_features(one.evidence) @ weights)
        rows.append(far_features(one.evidence, chances)[:_FAR])
        far.append(one.matched[one.evidence.near :][:_FAR])
    told = np.concatenate(far)
    if not len(told):
        return _Curves(weights, np.array([-30.0, 0, 0, 0, 0]))
    return _Curves(weights, logistic(np.concatenate(rows), told, _PENALTY))


@dataclass(frozen=True)
class _Counted:
    correction: Floats
    doubt: Floats
    knots: Floats
    low: Floats
    high: Floats
    errors: Floats

    @classmethod
    def of(
        cls, known: Sequence[Search], chances: Sequence[Floats], folds: NDArray[np.int64]
    ) -> "_Counted":
        features = np.stack(
            [context(one.evidence, some) for one, some in zip(known, chances, strict=True)]
        )
        off = np.log([one.matches + HALF for one in known]) - features[:, 1]
        errors = np.empty(len(off))
        for fold in range(_FOLDS):
            here = folds == fold
            weights = linear(features[~here], off[~here], _CORRECTION_PENALTY)
            errors[here] = off[here] - features[here] @ weights
        doubt = linear(features, np.log(np.abs(errors) + _SMALLEST_ERROR), _CORRECTION_PENALTY)
        doubts = features @ doubt
        order = np.argsort(doubts, kind="stable")
        parts = np.array_split(order, min(_KNOTS, max(1, len(order) // 30)))
        ends = np.array([_ends(errors[part]) for part in parts])
        return cls(
            linear(features, off, _CORRECTION_PENALTY),
            doubt,
            np.array([doubts[part].mean() for part in parts]),
            ends[:, 0],
            ends[:, 1],
            errors,
        )


def _ends(errors: Floats) -> tuple[float, float]:
    """The 5 % and 95 % quantiles, a little farther out, as of one more search."""
    spread = np.sort(errors)
    count = len(spread)
    low = int(np.floor(_LOW * (count + 1))) - 1
    high = int(np.ceil(_HIGH * (count + 1))) - 1
    return float(spread[max(low, 0)]), float(spread[min(high, count - 1)])


@dataclass(frozen=True)
class _Presence:
    """weights: served. of_matching: log-odds of searches with matches, by other kinds' weights."""

    weights: Floats
    of_matching: Floats
    least: float
    auroc: float

    @classmethod
    def of(
        cls,
        known: Sequence[Search],
        chances: Sequence[Floats],
        absent: Sequence[Floats | None],
        folds: NDArray[np.int64],
    ) -> "_Presence | None":
        there = np.stack(
            [
                presence_features(one.evidence, some)
                for one, some in zip(known, chances, strict=True)
            ]
        )
        pairs = [
            (presence_features(one.absent, some), fold)
            for one, some, fold in zip(known, absent, folds.tolist(), strict=True)
            if one.absent is not None and some is not None and len(some)
        ]
        if len(pairs) < _LEAST_SEARCHES // 2:
            return None
        not_there = np.stack([one for one, _ in pairs])
        folds_there = np.array([fold for _, fold in pairs])
        of_matching, of_absent = np.empty(len(there)), np.empty(len(not_there))
        for fold in range(_FOLDS):
            here, away = folds == fold, folds_there == fold
            weights = _presence_weights(there[~here], not_there[~away])
            of_matching[here] = there[here] @ weights
            of_absent[away] = not_there[away] @ weights
        # Where both lie apart, less is lost by a bound right above those without a match.
        least = min(np.quantile(of_matching, _FALSE_ABSENT), np.quantile(of_absent, _ABSENT_FOUND))
        area = area_under_curve(of_matching, of_absent)
        return cls(_presence_weights(there, not_there), of_matching, float(least), area)


def _presence_weights(there: Floats, absent: Floats) -> Floats:
    truth = np.repeat([True, False], [len(there), len(absent)])
    return logistic(np.concatenate([there, absent]), truth, _PRESENCE_PENALTY)


def area_under_curve(positive: Floats, negative: Floats) -> float:
    """How often a positive score is over a negative one (area under the ROC curve)."""
    order = np.argsort(np.concatenate([positive, negative]), kind="stable")
    ranks = np.empty(len(order))
    ranks[order] = np.arange(1, len(order) + 1)
    count = len(positive)
    least = count * (count + 1) / 2
    return float((ranks[:count].sum() - least) / (count * len(negative)))


def _risks(
    searches: Sequence[Search],
    known: Sequence[Search],
    chances: Sequence[Floats],
    presence: Floats,
) -> list[RiskGroup]:
    """The groups, the clearest first, each with the risk of lists by their evidence.

    Searches of which nothing matches are those of the last group: no list of theirs has a match.
    """
    none = sum(1 for one in searches if not one.matches and len(one.evidence))
    found: list[RiskGroup] = []
    above = np.inf
    for share in _GROUPS:
        least = float(np.quantile(presence, share)) if share else -1e9
        here = np.flatnonzero((presence >= least) & (presence < above))
        above = least
        fails = np.zeros(len(_MASSES))
        for i in here.tolist():
            fails += _fails(known[i], chances[i])
        lost = 0 if share else none
        count = len(here) + lost
        if count:
            risks = (fails + lost) / count
            found.append(
                RiskGroup(
                    from_presence=least,
                    queries=count,
                    masses=_MASSES.tolist(),
                    risks=risks.tolist(),
                )
            )
    return found


def _fails(search: Search, chances: Floats) -> Floats:
    """Return 1 where the list of an evidence has no match, else 0."""
    places = min(len(chances), PLACES)
    first = np.flatnonzero(search.matched[:places])
    if not len(first):
        return np.ones(len(_MASSES))
    # A list reaches the first match as soon as what lies before it is not enough.
    before = masses(chances)[first[0] - 1] if first[0] else -np.inf
    return np.where(before < _MASSES - 1e-9, 0.0, 1.0)
