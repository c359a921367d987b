"""Evidence that a ranking gives of what matches: features of its hits, and of it as a whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BEST = 3
_TOP = 5
_LAST = 15
_ROUNDING = 1e-6
PLACES = 150
"""Hits that presence is judged by, at most."""


@dataclass(frozen=True)
class Evidence:
    """Cosines of the nearest pictures to a query, in the order of the answer.

    cosines: (n,). moved: (n,) cosines after the re-rank; NaN from the first hit on that it did not
    look at. mean, spread: of the cosines of all pictures of the collection.
    """

    cosines: Floats
    moved: Floats
    mean: float
    spread: float

    def __len__(self) -> int:
        return len(self.cosines)

    @property
    def near(self) -> int:
        """The number of re-ranked hits, which are the first ones."""
        return int(np.count_nonzero(~np.isnan(self.moved)))

    def without(self, kept: NDArray[np.bool_]) -> "Evidence":
        return Evidence(self.cosines[kept], self.moved[kept], self.mean, self.spread)


def near_features(of: Evidence) -> Floats:
    """Features of the re-ranked hits, (near, 8)."""
    count = of.near
    cosines, moved = of.cosines[:count], of.moved[:count]
    middle = float(np.median(moved))
    best = float(np.sort(moved)[-_BEST:].mean())
    top = float(np.sort(cosines)[-_TOP:].mean())
    one = np.ones(count)
    return np.stack(
        [
            one,
            cosines,
            moved,
            (cosines - of.mean) / of.spread / 4,
            (moved - middle) / max(best - middle, _ROUNDING),
            moved - middle,
            one * best,
            one * (top - of.mean) / of.spread / 4,
        ],
        axis=1,
    )


def far_features(of: Evidence, near: Floats) -> Floats:
    """Features of the hits behind the re-ranked ones, (n - near, 5). near: their probabilities."""
    cosines = of.cosines[of.near :]
    top = float(np.sort(of.cosines)[-_TOP:].mean())
    one = np.ones(len(cosines))
    last = float(near[-_LAST:].mean()) if len(near) else 0.0
    return np.stack(
        [
            one,
            cosines,
            (cosines - of.mean) / of.spread / 4,
            one * (top - of.mean) / of.spread / 4,
            one * last,
        ],
        axis=1,
    )


def context(of: Evidence, chances: Floats) -> Floats:
    """Features of a ranking as a whole, given the probabilities of its hits: (7,)."""
    total = float(chances.sum())
    near = of.moved[: of.near]
    gap = float(near.max() - np.median(near)) if len(near) else 0.0
    sure = int(np.count_nonzero(chances > 0.5))
    return np.array(
        [
            1.0,
            np.log(total + 0.5),
            float((chances * (1 - chances)).sum()) / (total + 0.5),
            float(np.sort(chances)[-_BEST:].mean()),
            np.log(sure + 0.5) - np.log(total + 0.5),
            gap,
            (float(of.cosines.max()) - of.mean) / of.spread / 4,
        ]
    )


def presence_features(of: Evidence, chances: Floats) -> Floats:
    """Features that tell whether anything matches: (15,)."""
    places = min(len(of), PLACES)
    cosines = np.sort(of.cosines)[::-1][:places]
    moved = np.sort(of.moved[: of.near])[::-1][:places]
    middle = float(np.median(moved))
    first = _filled(cosines, _TOP)
    after = _filled(moved, 6)
    standard = (first - of.mean) / of.spread / 4
    return np.array(
        [
            1.0,
            *first[:3],
            *standard[:3],
            *(after[:3] - middle),
            float(first[0] - cosines[min(50, places - 1)]),
            float(first[0] - cosines[min(10, places - 1)]),
            float(chances.max()),
            np.log(float(chances[:places].sum()) + 0.1),
            float(after[5] - middle),
            float(np.log1p(-np.minimum(chances[:places], 0.999)).sum()),
        ]
    )


def _filled(values: Floats, count: int) -> Floats:
    """The first values; where there are fewer, the last one again."""
    found: Floats = np.concatenate([values, np.full(count, values[-1])])[:count]
    return found
