"""Near-duplicates: images whose vectors are all but the same.

Exact duplicates are one image, as an id is a hash of the bytes. Others, such as a copy of another
size, lie so near to each other that they are nearly always in one cluster, so images are compared
with those of their own cluster only.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.query.search.space import Space
from shared.contracts.query import Duplicate, Hit, Metric
from shared.ivf.distances import prepared
from shared.ivf.mask import Mask

SAME = 0.98
"""The cosine from which two images are taken to show the same."""

# Of a list that has more, so many at a time are compared with each other.
_AT_ONCE = 8192
_ROUNDING = 1e-6

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Group:
    """Ordinals, ascending, and the cosine of each to the first."""

    ordinals: list[int]
    scores: list[float]


def folded(hits: Sequence[Hit], ordinals: Sequence[int], space: Space) -> list[Hit]:
    """Hits without those that show the same as one before them, which tells of them instead."""
    vectors = [space.index.vector(ordinal) for ordinal in ordinals]
    dim = space.index.dim
    rows = np.stack([np.zeros(dim, np.float32) if v is None else v for v in vectors])
    units = prepared(rows, Metric.COSINE)
    kept: list[int] = []
    others: dict[int, list[Duplicate]] = {}
    for place, hit in enumerate(hits):
        alike = units[kept] @ units[place] if kept else np.empty(0, np.float32)
        if len(alike) and alike.max() >= SAME:
            told = Duplicate(id=hit.id, uri=hit.uri, similarity=float(alike.max()))
            others.setdefault(kept[int(alike.argmax())], []).append(told)
        else:
            kept.append(place)
    return [hits[p].model_copy(update={"duplicates": others.get(p, [])}) for p in kept]


def groups_from(
    space: Space, mask: Mask, first: int, least: float, enough: int, seconds: float
) -> tuple[list[list[Group]], int]:
    """The groups of each cluster from a number on, and the number of the next one to look at.

    It ends with the cluster that brings `enough` groups, or where `seconds` have passed.
    """
    found: list[list[Group]] = []
    ends = time.monotonic() + seconds
    number = first
    while number < space.index.clusters:
        found.append(_groups_of(space, mask, number, least))
        number += 1
        if sum(map(len, found)) >= enough or time.monotonic() > ends:
            break
    return found, number


def _groups_of(space: Space, mask: Mask, number: int, least: float) -> list[Group]:
    """The groups of one cluster."""
    ordinals, vectors = _members(space, mask, number)
    groups: list[Group] = []
    for start in range(0, len(ordinals), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        groups += _groups_among(ordinals[part], vectors[part], least)
    return groups


def _members(space: Space, mask: Mask, number: int) -> tuple[NDArray[np.int64], Floats]:
    """Ordinals of a cluster, ascending, and their vectors at length 1."""
    ordinals, vectors = [], []
    for place, segment in enumerate(space.index.segments):
        rows = segment.rows_of_lists(np.array([number]))
        allowed = mask.rows(place)
        rows = rows if allowed is None else rows[allowed[rows]]
        ordinals.append(segment.ordinals[rows])
        vectors.append(np.asarray(segment.vectors[rows], np.float32))
    numbers = np.concatenate(ordinals)
    order = np.argsort(numbers, kind="stable")
    return numbers[order], prepared(np.concatenate(vectors)[order], Metric.COSINE)


def _groups_among(ordinals: NDArray[np.int64], units: Floats, least: float) -> list[Group]:
    if not len(units):
        return []
    similar = np.minimum(units @ units.T, 1)
    # Each goes with the first that it is like, and with whom that one goes.
    like = similar >= least - _ROUNDING
    # Also a zero vector, which is like nothing, is itself.
    np.fill_diagonal(like, True)
    firsts = np.argmax(like, axis=1)
    groups = []
    taken = firsts[firsts]
    while not np.array_equal(taken, firsts):
        firsts, taken = taken, taken[taken]
    for first in np.unique(firsts):
        members = np.flatnonzero(firsts == first)
        if len(members) > 1:
            scores = [1.0, *similar[first, members[1:]].astype(float).tolist()]
            groups.append(Group(ordinals[members].tolist(), scores))
    return groups
