"""The judge of pairs, fitted on made pairs and look-alikes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, chi2
from sklearn.linear_model import LogisticRegression

from services.indexer.comparing.judge import Judge, capped, expanded

_CONFIDENCE = 0.95
_FLOOR = 0.1
"""Share of look-alikes that score above the floor."""
_STEPS = 40
_LEAST_COUNT = 8
"""Look-alikes above a score from which their number is believed; beyond, the tail is extended."""


def fit(numbers: NDArray[np.float32], is_same: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the numbers of a judge: of evidence (n, 8), and which pairs are the same picture."""
    rows = expanded(numbers)
    means, scales = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)
    model = LogisticRegression(C=1, max_iter=2000).fit((rows - means) / scales, is_same)
    found: dict[str, Any] = {
        "means": means.tolist(),
        "scales": scales.tolist(),
        "weights": model.coef_[0].tolist(),
        "bias": float(model.intercept_[0]),
        "share": float(is_same.mean()),
    }
    scores = capped((rows - means) / scales @ model.coef_[0] + model.intercept_[0], numbers)
    return found | _tail(np.sort(scores[~is_same]))


def _tail(nulls: NDArray[np.float64]) -> dict[str, Any]:
    """Upper tail of what look-alikes score: Clopper-Pearson bounds where there are enough of them,
    and an exponential beyond, whose rate is bounded, too (Pickands, Balkema and de Haan: far tails
    are near to it)."""
    count = len(nulls)
    last = nulls[-_LEAST_COUNT]
    grid = np.unique(np.quantile(nulls, 1 - np.geomspace(0.9, _LEAST_COUNT / count, _STEPS)))
    grid = grid[grid <= last]
    above = count - np.searchsorted(nulls, grid)
    bounds = beta.ppf(_CONFIDENCE, above + 1, np.maximum(count - above, 1))
    many = max(_LEAST_COUNT * 4, count // 200)
    start = nulls[-many]
    excess = float(np.mean(nulls[-many:] - start))
    longest = 2 * many * excess / chi2.ppf(1 - _CONFIDENCE, 2 * many)
    return {
        "floor": float(np.quantile(nulls, 1 - _FLOOR)),
        "tail": np.column_stack([grid, np.log(bounds)]).tolist(),
        "slope": 1 / max(longest, 1e-3),
        "look_alikes": count,
    }


def judge_of(found: dict[str, Any]) -> Judge:
    return Judge.of(found)


def write(path: Path, found: dict[str, Any]) -> None:
    """Write the judge that is packaged, with as many digits as tell anything."""

    def short(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.6g}")
        return [short(one) for one in value] if isinstance(value, list) else value

    path.write_text(json.dumps({key: short(value) for key, value in found.items()}) + "\n")
