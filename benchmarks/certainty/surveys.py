"""P@10 of a collection by few judgements: how near does it come to the truth?"""

from collections.abc import Sequence

import numpy as np

from shared.maths.count_fitting import Search, fit
from shared.maths.counting import Counter
from shared.maths.survey import Survey, estimate

_CLICKS, _SIMULATIONS, _SEARCHES, _HITS = 60, 200, 300, 10
_NEAR = 0.05


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
    for name, chances in (("with_probabilities", predicted), ("without", flat)):
        near, covered = [], []
        for number in range(_SIMULATIONS):
            rng = np.random.default_rng(number)
            asked = rng.permutation(len(judged))[:_SEARCHES]
            survey = Survey(chances[asked])
            drawn = survey.draw(_CLICKS, rng.random())
            told = estimate(
                chances[asked],
                truth[asked].ravel()[drawn],
                chances[asked].ravel()[drawn],
                survey.weights(drawn),
            )
            if told is not None:
                near.append(abs(told.value - truth.mean()) <= _NEAR)
                covered.append(told.low <= truth.mean() <= told.high)
        found |= {f"within_0.05_{name}": float(np.mean(near))}
        found |= {f"covered_{name}": float(np.mean(covered))}
    return found
