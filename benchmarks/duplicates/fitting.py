"""The judge of pairs, fitted on made pairs and look-alikes."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.indexer.comparing.judge import Judge, capped, expanded

_FLOOR = 0.1
"""Share of look-alikes that score above the floor."""
_SHAPE = 2.0
"""Rates of the two halves of the classes differed threefold, which tells of a shape of some 5."""
_STEPS = 60
_LEAST_CASES = 5
"""Pairs of photos that were taken for one, from which their rate is believed; beyond, the rate is
extended."""


@dataclass(frozen=True)
class Wrong:
    """A wrong deletion: its score, the pair of photos that it mistook for one, and the number of
    the collection."""

    score: float
    photos: tuple[int, int]
    collection: int


def fit(numbers: NDArray[np.float32], is_same: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the numbers of a judge without its tail: of evidence (n, 8), and which pairs are the
    same picture."""
    rows = expanded(numbers)
    means, scales = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)
    model = LogisticRegression(C=1, max_iter=2000).fit((rows - means) / scales, is_same)
    scores = capped((rows - means) / scales @ model.coef_[0] + model.intercept_[0], numbers)
    return {
        "means": means.tolist(),
        "scales": scales.tolist(),
        "weights": model.coef_[0].tolist(),
        "bias": float(model.intercept_[0]),
        "share": float(is_same.mean()),
        "floor": float(np.quantile(scores[~is_same], 1 - _FLOOR)),
        "tail": [[0.0, 0.0]],
        "slope": 1.0,
        "clump": 1.0,
        "shape": _SHAPE,
    }


def tail(wrong: Sequence[Wrong], pictures: int) -> dict[str, Any]:
    """Return the rate of wrong deletions by their score, measured in drawn collections.

    pictures: of all these collections together. Each wrong deletion that is left is a point; beyond
    the last few pairs of photos the rate falls as it did before (exponentially: Pickands, Balkema
    and de Haan say that far tails are near to it).
    """
    falling = sorted(wrong, key=lambda one: -one.score)
    seen: set[tuple[int, int]] = set()
    points: list[tuple[float, float]] = []
    for count, one in enumerate(falling, 1):
        seen.add(one.photos)
        if len(seen) >= _LEAST_CASES:
            points.append((one.score, math.log(count / pictures)))
    points = points[:: max(1, len(points) // _STEPS)][::-1]
    beyond = [one.score for one in falling if one.score > points[-1][0]]
    excess = float(np.mean(np.array(beyond) - points[-1][0]))
    together = Counter((one.collection, one.photos) for one in wrong).values()
    return {
        "tail": [list(one) for one in points],
        "slope": 1 / max(excess, 1e-3),
        # Of a wrong deletion that is met by chance: those of large clumps are met more often.
        "clump": sum(size**2 for size in together) / sum(together),
        "cases": len(seen),
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
