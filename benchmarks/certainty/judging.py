"""Judges counts, promises and absence on classes that nothing was learnt from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.maths.count_fitting import Search, area_under_curve, fit
from shared.maths.counting import Counter

PROMISES = (0.8, 0.9, 0.95)
_ROC_POINTS = 60


class Judgement:
    """Figures of searches of classes held out, gathered over folds and collections."""

    def __init__(self) -> None:
        self._counts: list[tuple[float, float, float, float]] = []
        self._presence: list[float] = []
        self._absence: list[float] = []
        self._false_absent: list[bool] = []
        self._found_absent: list[bool] = []
        self._lists: dict[float, list[tuple[bool, int] | None]] = {one: [] for one in PROMISES}
        self.untold = 0

    def add(self, searches: Sequence[Search], folds: int, most: int, seed: int) -> None:
        """Learn from the other classes and judge each, class by class.

        most: searches to learn from, as many as a build takes.
        """
        kinds = np.array([one.kind for one in searches])
        distinct = np.unique(kinds)
        order = np.random.default_rng(seed).permutation(distinct).tolist()
        fold_of = {kind: number % folds for number, kind in enumerate(order)}
        fold = np.array([fold_of[kind] for kind in kinds.tolist()])
        for number in range(folds):
            learnt_from = [searches[i] for i in np.flatnonzero(fold != number)[:most]]
            learnt = fit(learnt_from, seed)
            if learnt is None:
                self.untold += int((fold == number).sum())
                continue
            counter = Counter(learnt)
            for i in np.flatnonzero(fold == number).tolist():
                self._judge(searches[i], counter)

    def _judge(self, search: Search, counter: Counter) -> None:
        if not search.matches or not len(search.evidence):
            return
        count = counter.count(search.evidence)
        low, matches, high = count.whole
        if counter.learnt.is_telling:
            self._counts.append((search.matches, matches, low, high))
        else:
            self.untold += 1
        least = counter.learnt.least_presence
        self._presence.append(count.presence)
        self._false_absent.append(count.presence < least)
        if search.absent is not None and len(search.absent):
            without = counter.count(search.absent).presence
            self._absence.append(without)
            self._found_absent.append(without < least)
        for promise, lists in self._lists.items():
            length = counter.promised(count, promise)
            lists.append(None if length is None else (bool(search.matched[:length].any()), length))

    def figures(self) -> dict[str, Any]:
        """All figures, as JSON."""
        found: dict[str, Any] = {
            "searches": len(self._counts),
            "without_a_count": self.untold,
            "auroc_of_presence": area_under_curve(
                np.array(self._presence), np.array(self._absence)
            ),
            "false_absent": float(np.mean(self._false_absent)),
            "absent_found": float(np.mean(self._found_absent)),
            "promises": {str(one): _promised(lists) for one, lists in self._lists.items()},
        }
        found["roc"] = _roc(np.array(self._presence), np.array(self._absence))
        if not self._counts:
            return found
        counts: NDArray[np.float64] = np.array(self._counts)
        truth, middle, low, high = counts.T
        inside = (truth >= low) & (truth <= high)
        half = (high - low) / 2 / truth
        return found | {
            "covered": float(inside.mean()),
            "half_width_in_the_middle": float(np.median(half)),
            "half_width_of_the_surest_quarter": float(np.quantile(half, 0.25)),
            "median_error": float(np.median(np.abs(middle - truth) / truth)),
        }


def _roc(present: NDArray[np.float64], absent: NDArray[np.float64]) -> list[list[float]]:
    """Points of the curve: the share of absent classes called absent, by that of present ones."""
    bounds = np.quantile(present, np.linspace(0, 1, _ROC_POINTS))
    return [[float((present < one).mean()), float((absent < one).mean())] for one in bounds]


def _promised(lists: Sequence[tuple[bool, int] | None]) -> dict[str, float | None]:
    met = [one for one in lists if one is not None]
    if not met:
        return {"met": 0.0}
    longer = [float(holds) for holds, length in met if length > 1]
    lengths = np.array([length for _, length in met])
    return {
        "met": len(met) / len(lists),
        "covered": float(np.mean([holds for holds, _ in met])),
        "of_lists_longer_than_one": float(np.mean(longer)) if longer else None,
        "median_length": float(np.median(lengths)),
        "mean_length": float(lengths.mean()),
    }
