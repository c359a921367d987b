"""Equal pictures tie: features of one picture that differ in the last bits stand at one distance.

Copies of a picture may have been embedded by replicas that run different engines, or before and
after an update of a library. Ties go by id, and so does the order of such copies.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.engines.ivf.index import Candidates
from shared.maths.floats import SAME_FEATURES

_BLOCK = 1024
NEXT = 16
"""How many candidates on in the order a copy is looked for."""


def with_ties(
    found: Candidates,
    vectors: Callable[[Candidates], NDArray[np.float32]],
    query: NDArray[np.float32],
    first: int | None = None,
) -> Candidates:
    """Return the candidates, nearest first, with copies of a picture at the distance of the first.

    Vectors are read only of candidates that stand that close together. `first`: how many of the
    candidates matter; None: all.
    """
    pairs = _close(found.distances[:first], query)
    if not len(pairs):
        return found
    places, ends = np.unique(pairs, return_inverse=True)
    copies = _are_copies(vectors(found.at(places)), ends.reshape(pairs.shape))
    if not copies.any():
        return found
    firsts = np.arange(len(found.distances))
    # In the order of the later row, so that its first copy is known when needed.
    for one, later in sorted(pairs[copies].tolist(), key=lambda pair: (pair[1], pair[0])):
        firsts[later] = min(firsts[later], firsts[one])
    level = found.distances[firsts]
    order = np.argsort(level, kind="stable")
    return replace(found.at(order), distances=level[order])


def _are_copies(points: NDArray[np.float32], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask of the pairs of rows that are features of one picture."""
    copies = np.empty(len(pairs), bool)
    for start in range(0, len(pairs), _BLOCK):
        # In float64, because the square of a small number is 0 in float32.
        left, right = (points[places].astype(np.float64) for places in pairs[start:][:_BLOCK].T)
        apart, length = np.linalg.norm(left - right, axis=1), np.linalg.norm(left, axis=1)
        copies[start : start + _BLOCK] = apart <= SAME_FEATURES * length
    return copies


def _close(distances: NDArray[np.float64], query: NDArray[np.float32]) -> NDArray[np.int64]:
    """Pairs of places (n, 2), the nearer first, whose distances differ by no more than copies' do.

    Cosine distances are at most 2; an L2 distance has to do with the lengths of both vectors.
    """
    point = query.astype(np.float64)
    length = math.sqrt(point @ point)
    found = [np.empty((0, 2), np.int64)]
    if len(distances) < 2:
        return found[0]
    if float((distances[1:] - distances[:-1]).min()) > SAME_FEATURES * max(
        1.0, length + float(distances[-1])
    ):
        # As nearly always; the distances ascend.
        return found[0]
    most = SAME_FEATURES * np.maximum(1, length + distances)
    for step in range(1, min(NEXT, len(distances) - 1) + 1):
        gaps = distances[step:] - distances[:-step]
        close = gaps <= most[:-step]
        if not close.any():
            break
        # Exact ties need no comparison.
        near = np.flatnonzero(close & (gaps > 0))
        found.append(np.stack([near, near + step], axis=1))
    return np.concatenate(found)
