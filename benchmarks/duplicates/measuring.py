"""Is a plan right: false discoveries, recall by kind of change, and whether a budget is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.duplicates.changes import CHANGES
from benchmarks.duplicates.fitting import Wrong, fit, tail
from benchmarks.duplicates.pairs import Pairs
from benchmarks.duplicates.pictures import Picture
from services.indexer.comparing.budget import Edge, Ranking, rank
from services.indexer.comparing.judge import Judge

BUDGETS = (0.005, 0.01, 0.02, 0.05)
_RUNS = 200
_LEARNT_RUNS = 60
"""Collections that the rate of wrong deletions is learnt from."""


@dataclass(frozen=True)
class Held:
    """Pictures and pairs of a fold, and a judge of other pictures."""

    pictures: NDArray[np.int64]
    pairs: NDArray[np.int64]
    judge: Judge
    scores: NDArray[np.float64]


class Trial:
    """All pictures with their pairs; plans are made of parts of them."""

    def __init__(self, pictures: Sequence[Picture], pairs: Pairs, shown: NDArray[np.int64]) -> None:
        """shown: number of the photo that each picture shows."""
        self.pictures, self.pairs, self.shown = pictures, pairs, shown
        self.proposed = pairs.by_features | pairs.by_hash
        self.is_same = shown[pairs.first] == shown[pairs.second]
        self.folds = np.array([one.fold for one in pictures])
        self.sizes = np.array([_pixels(one) for one in pictures], np.float64)
        self.copied = np.array([one.change in CHANGES for one in pictures])
        # Of a fold; pictures of a class are in one half, as they are in one fold.
        self.halves = np.array([one.half for one in pictures])
        self.held = [self._held(fold) for fold in (0, 1)]

    def packaged(self) -> dict[str, Any]:
        """Return a judge fitted on all pairs; its tail is of pictures that it was not fitted on."""
        learnt = self.proposed
        return fit(self.pairs.numbers[learnt], self.is_same[learnt]) | self._tail(self.held)

    def _held(self, fold: int) -> Held:
        """The pictures of a fold, judged by what the other one teaches."""
        inside = self._inside(self.folds != fold)
        whole = fit(self.pairs.numbers[inside], self.is_same[inside])
        # Its tail must be of pictures that nothing was fitted on, so it is fitted twice more.
        scores = np.empty(len(inside))
        for half in (0, 1):
            mine = self.halves[self.pairs.first[inside]] == half
            apart = inside[~mine & (self.halves[self.pairs.second[inside]] != half)]
            judge = Judge.of(fit(self.pairs.numbers[apart], self.is_same[apart]))
            scores[mine] = judge.scores(self.pairs.numbers[inside[mine]])
        other = Held(np.flatnonzero(self.folds != fold), inside, Judge.of(whole), scores)
        judge = Judge.of(whole | self._tail([other]))
        judged = self._inside(self.folds == fold)
        return Held(
            np.flatnonzero(self.folds == fold),
            judged,
            judge,
            judge.scores(self.pairs.numbers[judged]),
        )

    def _tail(self, held: Sequence[Held]) -> dict[str, Any]:
        """Learn how many pictures look-alikes cost."""
        rng = np.random.default_rng(1)
        wrong: list[Wrong] = []
        pictures = 0
        for run in range(_LEARNT_RUNS):
            here = held[run % len(held)]
            there = self._drawn(here, rng)
            pictures += int(there.sum())
            for one in self.ranked(here, there).deletions:
                photos = sorted((int(self.shown[one.gone]), int(self.shown[one.kept])))
                if photos[0] != photos[1]:
                    wrong.append(Wrong(one.score, (photos[0], photos[1]), run))
        return tail(wrong, pictures)

    def _inside(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Proposed pairs whose pictures are both among some."""
        both = chosen[self.pairs.first] & chosen[self.pairs.second]
        return np.flatnonzero(both & self.proposed)

    def ranked(self, held: Held, there: NDArray[np.bool_]) -> Ranking:
        """Return the deletions of a collection of some pictures."""
        pairs = self.pairs
        inside = there[pairs.first[held.pairs]] & there[pairs.second[held.pairs]]
        chosen = inside & (held.scores >= held.judge.floor)
        edges = [
            Edge(
                int(pairs.first[n]),
                int(pairs.second[n]),
                score,
                float(pairs.covers[n, 0]),
                float(pairs.covers[n, 1]),
            )
            for n, score in zip(held.pairs[chosen], held.scores[chosen].tolist(), strict=True)
        ]
        order = {n: (self.sizes[n],) for n in np.flatnonzero(there).tolist()}
        return rank(edges, int(inside.sum()), int(there.sum()), order, held.judge)

    def whole(self, budget: float) -> dict[str, Any]:
        """Plans of both folds, each whole, with recall by kind of change."""
        deleted = wrong = possible = 0
        by_kind: dict[str, list[bool]] = {name: [] for name in CHANGES}
        errors: list[tuple[int, int, float]] = []
        for held in self.held:
            there = self.folds == self.folds[held.pictures[0]]
            choice = self.ranked(held, there).within(budget)
            goes = choice.deletions[: choice.within]
            bad = [one for one in goes if self.shown[one.gone] != self.shown[one.kept]]
            errors += [(one.gone, one.kept, one.score) for one in bad]
            deleted, wrong = deleted + len(goes), wrong + len(bad)
            possible += self._possible(there)
            together = _together(goes, self.shown)
            for n in held.pictures.tolist():
                change = self.pictures[n].change
                if change in by_kind:
                    by_kind[change].append(n in together)
        return {
            "deleted": deleted,
            "wrong": wrong,
            "false_discoveries": wrong / max(deleted, 1),
            "recall": (deleted - wrong) / possible,
            "found_by_kind": {name: float(np.mean(found)) for name, found in by_kind.items()},
            "errors": errors,
        }

    def runs(self, seed: int = 0) -> list[dict[str, Any]]:
        """Plans of drawn collections, for each budget: how often it is kept, and what was told."""
        rng = np.random.default_rng(seed)
        rows: dict[float, list[tuple[int, int, int, int]]] = {budget: [] for budget in BUDGETS}
        for run in range(_RUNS):
            held = self.held[run % 2]
            there = self._drawn(held, rng)
            ranking, possible = self.ranked(held, there), max(self._possible(there), 1)
            for budget, found in rows.items():
                choice = ranking.within(budget)
                goes = choice.deletions[: choice.within]
                wrong = sum(self.shown[one.gone] != self.shown[one.kept] for one in goes)
                found.append((len(goes), int(wrong), choice.most, possible))
        return [_summary(budget, np.array(found)) for budget, found in rows.items()]

    def _drawn(self, held: Held, rng: np.random.Generator) -> NDArray[np.bool_]:
        """A collection: some photos with 0 to 2 of their copies, and some look-alikes."""
        photos = np.unique(self.shown[held.pictures])
        share = rng.uniform(0.3, 0.9)
        chosen = photos[rng.random(len(photos)) < share]
        there = np.zeros(len(self.pictures), bool)
        there[held.pictures] = np.isin(self.shown[held.pictures], chosen)
        # Collections with few copies are harder: look-alikes stay as many.
        there &= ~self.copied | (rng.random(len(there)) < rng.uniform(0.1, 1))
        return there

    def _possible(self, there: NDArray[np.bool_]) -> int:
        """Deletions that would be right."""
        _, counts = np.unique(self.shown[there], return_counts=True)
        return int((counts - 1).sum())


def _summary(budget: float, rows: NDArray[np.int64]) -> dict[str, Any]:
    deleted, wrong, most, possible = rows.T
    return {
        "budget": budget,
        "runs": len(rows),
        "kept": float(np.mean(wrong <= budget * deleted)),
        "within_told": float(np.mean(wrong <= most)),
        "deleted": float(deleted.mean()),
        "wrong": float(wrong.mean()),
        "most": float(most.mean()),
        "false_discoveries": float(wrong.sum() / max(deleted.sum(), 1)),
        "recall": float(np.mean((deleted - wrong) / possible)),
        "least_recall": float(np.quantile((deleted - wrong) / possible, 0.05)),
    }


def _together(goes: Sequence[Any], shown: NDArray[np.int64]) -> set[int]:
    """Pictures that a right deletion is about: the one that goes, or the one that it goes for."""
    right = [one for one in goes if shown[one.gone] == shown[one.kept]]
    return {n for one in right for n in (one.gone, one.kept)}


def _pixels(picture: Picture) -> int:
    with Image.open(picture.file) as image:
        return image.width * image.height
