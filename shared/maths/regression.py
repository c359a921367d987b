"""Small regularised regressions by Newton's method and normal equations."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 40
_CONVERGED = 1e-5
_FARTHEST = 30.0


def sigmoid(values: Floats) -> Floats:
    """The logistic function, without overflow."""
    found: Floats = 1 / (1 + np.exp(-np.clip(values, -_FARTHEST, _FARTHEST)))
    return found


def logistic(rows: Floats, truth: NDArray[np.bool_], penalty: float) -> Floats:
    """Weights (features,) of a logistic regression; the first column is the intercept."""
    scale = _Scale(rows)
    scaled, target = scale(rows), truth.astype(np.float64)
    weights = np.zeros(rows.shape[1])
    ridge = penalty * np.eye(rows.shape[1])
    ridge[0, 0] = 1e-6
    for _ in range(_STEPS):
        chances = sigmoid(scaled @ weights)
        curvature = (scaled * (chances * (1 - chances))[:, None]).T @ scaled + ridge
        step = np.linalg.solve(curvature, scaled.T @ (target - chances) - ridge @ weights)
        # A long step overshoots where the classes are all but parted.
        weights += step / max(1.0, float(np.abs(step).max()) / 4)
        if np.abs(step).max() < _CONVERGED:
            break
    return scale.unscaled(weights)


def linear(rows: Floats, values: Floats, penalty: float) -> Floats:
    """Weights (features,) of a ridge regression; the first column is the intercept."""
    scale = _Scale(rows)
    scaled = scale(rows)
    ridge = penalty * np.eye(rows.shape[1])
    ridge[0, 0] = 1e-6
    weights = np.linalg.solve(scaled.T @ scaled + ridge, scaled.T @ values)
    return scale.unscaled(np.asarray(weights, np.float64))


class _Scale:
    """Brings features to mean 0 and deviation 1, but for the first, which is 1."""

    def __init__(self, rows: Floats) -> None:
        self._means = rows[:, 1:].mean(axis=0)
        deviations = rows[:, 1:].std(axis=0)
        self._deviations = np.where(deviations > 1e-9, deviations, 1.0)

    def __call__(self, rows: Floats) -> Floats:
        scaled = (rows[:, 1:] - self._means) / self._deviations
        return np.concatenate([np.ones((len(rows), 1)), scaled], axis=1)

    def unscaled(self, weights: Floats) -> Floats:
        """The weights for features as they are."""
        slopes = weights[1:] / self._deviations
        found: Floats = np.concatenate([[weights[0] - slopes @ self._means], slopes])
        return found
