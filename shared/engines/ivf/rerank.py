"""Orders the nearest candidates by what is near to them, too.

Each candidate, and the query, is replaced by the mean of itself and its nearest neighbours among
the candidates; what is then compared are these means. A neighbour weighs the more, the nearer it is
than the candidates are to the query on average, so that where there are no near ones, nothing
changes much. This is database-side augmentation (Turcot & Lowe 2009; Arandjelovic & Zisserman, CVPR
2012) with query expansion (Chum et al., ICCV 2007), both among the candidates only: nothing is
stored, and it costs the same on a collection of any size. docs/RANKING.md has what was measured.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.engines.ivf.index import Candidates
from shared.maths.distances import prepared

CANDIDATES = 150
_NEIGHBOURS = 10
# Of the candidates' mean squared distance from the query: whoever is farther is no neighbour. Less
# than 1 keeps small classes whole, whose candidates are nearly all of other classes.
_BACKGROUND = 0.85
# Few candidates are no sample of what is around them: so many for each neighbour, at least.
_CANDIDATES_A_NEIGHBOUR = 10

Floats = NDArray[np.float64]


def rank_keys(
    found: Candidates,
    vectors_of: Callable[[Candidates], NDArray[np.float32]],
    query: NDArray[np.float32],
    metric: Metric,
    same: float,
    passing: NDArray[np.bool_],
) -> Floats:
    """Return the sort keys of candidates, the least first: of the nearest the place, else the
    distance.

    `found`: nearest first, at least CANDIDATES where there are so many. `vectors_of`: gives the
    vectors of some. Those within `same` of the query are the query itself: they stay in front.
    `passing`: who may move; the others, which are the farther ones, stay behind. What ties goes on
    to tie. float64 of shape (n,).
    """
    keys = found.distances.copy()
    first = int(np.searchsorted(keys, same, "right"))
    last = _end(keys)
    if last - first < _CANDIDATES_A_NEIGHBOUR:
        return keys
    # In one order wherever they lie, so that sums come out the same to the last bit.
    nearest = np.lexsort((found.ordinals, keys))[first:last]
    vectors = np.vstack([query[None], vectors_of(found.at(nearest))])
    moved = _mean_by_distance(keys[nearest], averaged_distances(vectors, metric))
    # Before all distances, which aren't negative.
    keys[:first] -= 2
    keys[nearest] = np.where(passing[nearest], -1 / (1 + moved), keys[nearest])
    return keys


def is_moved(keys: Floats) -> NDArray[np.bool_]:
    """Return a mask of the sort keys that stand for averaged distances."""
    return (keys >= -1) & (keys < 0)


def moved_distances(keys: Floats) -> Floats:
    """Return the averaged distances that sort keys stand for; NaN for keys of another kind."""
    moved = np.full(len(keys), np.nan)
    np.divide(-1, keys, out=moved, where=is_moved(keys))
    return moved - 1


def averaged_distances(vectors: NDArray[np.float32], metric: Metric) -> Floats:
    """From the first vector to each other one, all averaged with their neighbours; (n - 1,)."""
    points = prepared(vectors, metric)
    products: Floats = (points @ points.T).astype(np.float64)
    squares = np.diag(products)
    weights = _weights(squares[:, None] + squares - 2 * products)
    # Of the averages' products, the first row and the diagonal are all that is needed.
    averaged = weights @ products
    squares = np.maximum(np.einsum("ij,ij->i", averaged, weights), 0)
    moved: Floats = averaged[1:] @ weights[0]
    if metric is Metric.COSINE:
        lengths = np.sqrt(squares[0] * squares[1:])
        return np.clip(1 - moved / np.where(lengths > 0, lengths, 1), 0, 2)
    away: Floats = np.sqrt(np.maximum(squares[0] + squares[1:] - 2 * moved, 0))
    return away


def _weights(away: Floats) -> Floats:
    """How much each row's mean has of each vector, from the squares of their distances (n, n)."""
    count = min(_NEIGHBOURS, (len(away) - 1) // _CANDIDATES_A_NEIGHBOUR)
    background = _BACKGROUND * away[0, 1:].mean()
    near = np.argpartition(away, count, axis=1)[:, : count + 1]
    weights = np.zeros_like(away)
    if background > 0:
        nearness = np.maximum(1 - np.take_along_axis(away, near, 1) / background, 0)
        np.put_along_axis(weights, near, nearness, 1)
    np.fill_diagonal(weights, 1)
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _end(distances: Floats) -> int:
    """How many are re-ranked: those that tie with the last one all are, or none."""
    if len(distances) <= CANDIDATES:
        return len(distances)
    last = distances[CANDIDATES - 1]
    end = int(np.searchsorted(distances, last, "right"))
    return end if end <= 2 * CANDIDATES else int(np.searchsorted(distances, last, "left"))


def _mean_by_distance(distances: Floats, values: Floats) -> Floats:
    """The mean of the values of each distance, so that what ties goes on to tie."""
    _, groups = np.unique(distances, return_inverse=True)
    means: Floats = np.bincount(groups, values) / np.bincount(groups)
    return means[groups]
