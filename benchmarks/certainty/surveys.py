"""P@10 of a collection by few clicks: how near does it come to the truth?

One by one, every answer is a click. By screens, as `ise judge` asks, each hit is taken as what is
likelier; a click names one that is not so, and one goes to the next screen.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.contracts.judgements import SCREEN
from shared.maths.count_fitting import Search, fit
from shared.maths.counting import Counter
from shared.maths.survey import Survey, estimate

_SIMULATIONS, _SEARCHES, _HITS = 200, 600, 10
_CLICKS = (20, 40, 60, 90, 120)
_MOST = 1500
_NEAR = 0.05

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def survey_error(searches: Sequence[Search], seed: int) -> dict[str, float]:
    """Simulate judgements of half of the kinds, with probabilities learnt from the other half."""
    kinds = np.unique([one.kind for one in searches])
    known = set(np.random.default_rng(seed).permutation(kinds)[::2].tolist())
    learnt = fit([one for one in searches if one.kind in known])
    judged = [
        one for one in searches if one.kind not in known and one.matches and len(one.matched) > 10
    ]
    truth = np.stack([one.matched[:_HITS] for one in judged])
    found: dict[str, float] = {"precision_at_10": float(truth.mean())}
    flat = np.full(truth.shape, 0.5)
    predicted = flat
    if learnt is not None:
        counter = Counter(learnt)
        predicted = np.stack([counter.chances(one.evidence)[:_HITS] for one in judged])
    # What one answer tells at best: the deviation of hits whose probability is known.
    spread = float(np.sqrt(predicted * (1 - predicted)).mean())
    found["answers_needed_at_best"] = (1.96 * spread / _NEAR) ** 2
    for clicks in _CLICKS:
        for name, chances, size, is_large in (
            ("screens", predicted, SCREEN, False),
            ("screens_of_a_large_collection", predicted, SCREEN, True),
            ("one_by_one", predicted, 1, False),
            ("without_probabilities", flat, 1, False),
        ):
            told = _simulated(chances, truth, clicks, size, is_large)
            found |= {f"{figure}_{name}_{clicks}": value for figure, value in told.items()}
    return found


def _simulated(
    chances: Floats, truth: Bools, clicks: int, size: int, is_large: bool
) -> dict[str, float]:
    near, covered, answers = [], [], []
    for number in range(_SIMULATIONS):
        rng = np.random.default_rng(number)
        # Of a large collection a survey is a small part, as if each search were put back.
        asked = (
            rng.integers(0, len(truth), _SEARCHES)
            if is_large
            else rng.permutation(len(truth))[:_SEARCHES]
        )
        survey = Survey(chances[asked])
        drawn = _distinct(survey.draw(_MOST, rng.random()))
        right, expected = truth[asked].ravel()[drawn], chances[asked].ravel()[drawn]
        count = clicks if size == 1 else _answered(right, expected, clicks, size)
        told = estimate(
            chances[asked], right[:count], expected[:count], survey.weights(drawn)[:count]
        )
        answers.append(count)
        if told is not None:
            near.append(abs(told.value - truth.mean()) <= _NEAR)
            covered.append(told.low <= truth.mean() <= told.high)
    return {
        "within_0.05": float(np.mean(near)) if near else 0.0,
        "covered": float(np.mean(covered)) if covered else 0.0,
        "answers": float(np.mean(answers)),
    }


def _distinct(drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """The draw without what was drawn before: nobody is asked twice."""
    first: NDArray[np.int64] = drawn[np.sort(np.unique(drawn, return_index=True)[1])]
    return first


def _answered(right: Bools, expected: Floats, clicks: int, size: int) -> int:
    """How many hits are judged by some clicks, a whole number of screens."""
    whole = len(right) // size * size
    surprises = (right != (expected >= 0.5))[:whole].reshape(-1, size).sum(axis=1)
    screens = int(np.searchsorted(np.cumsum(surprises + 1), clicks, side="right"))
    return screens * size
