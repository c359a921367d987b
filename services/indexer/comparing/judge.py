"""Judge of pairs: from the evidence to the chance that two pictures are the same.

The packaged numbers were fitted on pairs that were made for it (`python -m benchmarks duplicates`):
a logistic regression, whose intercept is shifted to the share of true pairs in the collection at
hand (Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori
probabilities"), and how many pictures look-alikes cost at each score.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDS = 100
_LEAST_INLIERS, _MOST_WITHOUT = 8, 1.0
_LEAST_SHARE, _MOST_SHARE = 1e-6, 0.999


@dataclass(frozen=True)
class Judge:
    """Numbers of the fit.

    means, scales, weights, bias: of the logistic regression. share: of true pairs among those it
    was fitted on. floor: lowest score of a pair that is worth keeping. tail: (score, log of the
    wrong deletions of that score or more for each picture), ascending; slope: of the logarithm
    beyond it. shape: of the gamma distribution that this rate has between collections. clump:
    wrong deletions that come together, of one pair of photos with its copies.
    """

    means: Floats
    scales: Floats
    weights: Floats
    bias: float
    share: float
    floor: float
    tail: Floats
    slope: float
    clump: float
    shape: float

    @classmethod
    def of(cls, found: dict[str, Any]) -> Self:
        """Return the judge of a JSON object."""
        arrays = ("means", "scales", "weights", "tail")
        given: dict[str, Any] = {name: np.array(found[name], np.float64) for name in arrays}
        given |= {
            name: float(found[name])
            for name in ("bias", "share", "floor", "slope", "clump", "shape")
        }
        return cls(**given)

    def scores(self, numbers: NDArray[np.floating[Any]]) -> Floats:
        """Return the log odds of pairs to be the same picture, by their evidence (n, 8)."""
        rows = (expanded(numbers) - self.means) / self.scales
        scores: Floats = capped(rows @ self.weights + self.bias, numbers)
        return scores

    def probabilities(self, scores: Floats, unseen: int) -> Floats:
        """Return the chance of each pair, for the share of true ones in this collection.

        unseen: pairs that were compared, and whose scores are below the floor.
        """
        if not len(scores):
            return np.empty(0)
        whole = np.concatenate([scores, [min(self.floor, float(scores.min()))]])
        counts = np.concatenate([np.ones(len(scores)), [max(unseen, 0)]])
        share = self.share
        for _ in range(_ROUNDS):
            before = share
            found = counts @ self._shifted(whole, share) / counts.sum()
            share = float(np.clip(found, _LEAST_SHARE, _MOST_SHARE))
            if abs(share - before) < 1e-9:
                break
        # Never surer than the fit: a collection of copies alone tells nothing of look-alikes.
        return self._shifted(scores, min(share, self.share))

    def wrong_share(self, score: float) -> float:
        """Return the wrong deletions of that score or more for each picture."""
        at, logs = self.tail.T
        if score > at[-1]:
            return float(np.exp(logs[-1] - self.slope * (score - at[-1])))
        return float(np.exp(np.interp(score, at, logs)))

    def _shifted(self, scores: Floats, share: float) -> Floats:
        odds = scores + _log_odds(share) - _log_odds(self.share)
        chances: Floats = 1 / (1 + np.exp(-np.clip(odds, -60, 60)))
        return chances


def expanded(numbers: NDArray[np.floating[Any]]) -> Floats:
    """Return the numbers of each pair with their products: what speaks against a pair, such as
    features beside their places, weighs more where much else speaks for it."""
    rows = np.asarray(numbers, np.float64)
    first, second = np.triu_indices(rows.shape[1])
    return np.hstack([rows, rows[:, first] * rows[:, second]])


def capped(scores: Floats, numbers: NDArray[np.floating[Any]]) -> Floats:
    """Return the scores, none of them high without local features that agree: plain shapes lie on
    each other well, whatever they are."""
    few = np.asarray(numbers)[:, 0] < np.log1p(_LEAST_INLIERS)
    bounded: Floats = np.where(few, np.minimum(scores, _MOST_WITHOUT), scores)
    return bounded


@lru_cache(1)
def packaged() -> Judge:
    """Return the judge that comes with the program."""
    text = files("shared.maths").joinpath("assets/pairs_judge.json").read_text("utf-8")
    return Judge.of(json.loads(text))


def _log_odds(share: float) -> float:
    return float(np.log(share / (1 - share)))
