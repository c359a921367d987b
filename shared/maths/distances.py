"""The two metrics: fast in float32 to choose by, exact in float64 to answer with."""

import math

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric

# Bound of the relative error of float32 sums over a few thousand products.
_ROUNDING = 2e-5


MAX_VALUE = 1e15
"""The square of a vector of numbers below, of any length met, still fits float32."""
_SHORTEST = 1e-15
NO_DIRECTION = (
    f"is zero, or shorter than {_SHORTEST:g}, so it has no direction that cosine compares"
)


def has_direction(vectors: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return a mask of the finite vectors (n, dim) that are long enough to be compared by cosine.

    The squares of shorter ones underflow in float32. Norms are of float32 values, because these are
    stored and compared.
    """
    with np.errstate(over="ignore", under="ignore"):
        norms = np.linalg.norm(vectors.astype(np.float32).astype(np.float64), axis=1)
    long_enough: NDArray[np.bool_] = norms >= _SHORTEST
    return long_enough


def is_directed(vector: NDArray[np.floating]) -> bool:
    """Tell what `has_direction` does of one vector, (dim,)."""
    with np.errstate(over="ignore", under="ignore"):
        point = vector.astype(np.float32).astype(np.float64)
        return math.sqrt(point @ point) >= _SHORTEST


def prepared(vectors: NDArray[np.float32], metric: Metric) -> NDArray[np.float32]:
    """Vectors as they are clustered and compared with centroids: of unit norm for cosine.

    float32 of shape (n, dim). L2 between unit vectors orders as the angle does; zero stays zero.
    """
    if metric is Metric.L2:
        return vectors
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32, copy=False)


def unit(query: NDArray[np.float32]) -> NDArray[np.float32]:
    """One vector at length 1, or zero as it is, float32 of shape (dim,)."""
    # In float64, because the square of a small number is 0 in float32.
    norm = np.linalg.norm(query.astype(np.float64))
    return (query / norm).astype(np.float32) if norm > 0 else query


def score(distance: float, metric: Metric) -> float:
    """Higher is better: the cosine similarity, or 1 / (1 + d) for L2."""
    return 1 - distance if metric is Metric.COSINE else 1 / (1 + distance)


def scores(distances: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """Return the `score` of each distance, as float64 of the same shape."""
    return 1 - distances if metric is Metric.COSINE else 1 / (1 + distances)


def approximate(
    vectors: NDArray[np.float32],
    norms: NDArray[np.float32],
    query: NDArray[np.float32],
    metric: Metric,
) -> tuple[NDArray[np.float32], float]:
    """1 - cosine, or L2 squared, of vectors (n, dim) to a query (dim,); and how far off it may be.

    The distances are float32 of shape (n,), n > 0.
    """
    if metric is Metric.COSINE:
        cosine = (vectors @ unit(query)) / np.where(norms > 0, norms, np.float32(1))
        return (1 - cosine).astype(np.float32, copy=False), _ROUNDING
    squares = norms**2 + np.float32(np.linalg.norm(query)) ** 2
    # The squares of two near vectors cancel out, so the error is relative to the squares.
    distances = (squares - 2 * (vectors @ query)).astype(np.float32, copy=False)
    return distances, _ROUNDING * float(squares.max())


def exact(
    vectors: NDArray[np.float32], query: NDArray[np.float32], metric: Metric
) -> NDArray[np.float64]:
    """1 - cosine, or L2 (not squared), in float64: shape (n, dim) -> (n,). Zero has cosine 0."""
    points = vectors.astype(np.float64)
    point = query.astype(np.float64)
    if metric is Metric.L2:
        distances: NDArray[np.float64] = np.sqrt(((points - point) ** 2).sum(axis=1))
        return distances
    lengths = np.sqrt((points**2).sum(axis=1)) * np.sqrt((point**2).sum())
    cosine: NDArray[np.float64] = (points * point).sum(axis=1) / np.where(lengths > 0, lengths, 1)
    return np.clip(1 - cosine, 0, 2)
