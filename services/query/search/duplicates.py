"""Near-duplicates: images whose vectors are all but the same.

Exact duplicates are one image, as an id is a hash of the bytes. Others, such as a copy of another
size, mostly stand in one cluster. Where one lies at the border of its cluster, the clusters beyond
are looked at too. In an index by L2 that takes vectors of about one length.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from services.query.search.borders import Borders
from services.query.search.space import Space
from shared.contracts.answer import Duplicate, Hit
from shared.contracts.query import Metric
from shared.engines.ivf.index import InvertedIndex
from shared.engines.ivf.mask import Mask
from shared.maths.distances import prepared

SAME = 0.98
"""The cosine from which two images are taken to show the same."""

# Rows compared with each other at a time, in longer lists.
_AT_ONCE = 8192
_ROUNDING = 1e-6
# Clusters kept in memory while their neighbours are compared.
_REMEMBERED = 64

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Group:
    """Ordinals, ascending, and the cosine of each to the first."""

    ordinals: list[int]
    scores: list[float]


def folded(hits: Sequence[Hit], ordinals: Sequence[int], space: Space) -> list[Hit]:
    """Return hits, with those that show the same picture as an earlier one grouped into it."""
    vectors = [space.index.vector(ordinal) for ordinal in ordinals]
    dim = space.index.dim
    rows = np.stack([np.zeros(dim, np.float32) if v is None else v for v in vectors])
    units = prepared(rows, Metric.COSINE)
    kept: list[int] = []
    others: dict[int, list[Duplicate]] = {}
    for place, hit in enumerate(hits):
        alike = units[kept] @ units[place] if kept else np.empty(0, np.float32)
        if len(alike) and alike.max() >= SAME:
            duplicate = Duplicate(id=hit.id, uri=hit.uri, similarity=float(alike.max()))
            others.setdefault(kept[int(alike.argmax())], []).append(duplicate)
        else:
            kept.append(place)
    return [hits[p].model_copy(update={"duplicates": others.get(p, [])}) for p in kept]


@dataclass(frozen=True)
class Images:
    """Ordinals, their stored vectors, and these at length 1: shapes (n,), (n, dim), (n, dim)."""

    ordinals: NDArray[np.int64]
    vectors: Floats
    units: Floats

    def at(self, which: NDArray[Any]) -> Self:
        """Some of them: which, as flags or as places."""
        return type(self)(self.ordinals[which], self.vectors[which], self.units[which])

    def joined(self, others: Self) -> Self:
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return type(self)(*(np.concatenate(pair) for pair in pairs))


class Duplicates:
    """Pairs of images of one space whose cosine is `least` or more."""

    def __init__(self, index: InvertedIndex, mask: Mask, least: float) -> None:
        self._index, self._mask = index, mask
        self._least = least - _ROUNDING
        self._borders = Borders(index.centroids)
        self._radius = np.sqrt(max(2 - 2 * self._least, 0))
        self._members = lru_cache(_REMEMBERED)(self._read)

    def groups_from(self, first: int, enough: int, seconds: float) -> tuple[list[list[Group]], int]:
        """The groups of each cluster from a number on, and the number of the next one to look at.

        A group is of the cluster that its first image is in. It ends with the cluster that brings
        `enough` groups, or where `seconds` have passed.
        """
        found: list[list[Group]] = []
        ends = time.monotonic() + seconds
        number = first
        while number < self._index.clusters:
            found.append(self._groups_of(number))
            number += 1
            if sum(map(len, found)) >= enough or time.monotonic() > ends:
                break
        return found, number

    def _groups_of(self, number: int) -> list[Group]:
        own = self._members(number)
        images = self._family(own, number)
        groups: list[Group] = []
        for start in range(0, len(images.ordinals), _AT_ONCE):
            part = images.at(np.arange(start, min(start + _AT_ONCE, len(images.ordinals))))
            groups += _groups_among(part.ordinals, part.units, self._least)
        here = set(own.ordinals.tolist())
        return [group for group in groups if group.ordinals[0] in here]

    def _family(self, own: Images, number: int) -> Images:
        """A cluster's images, all that are like them elsewhere, all that are like these, and so
        on; by ordinal."""
        found = latest = own
        while len(latest.ordinals):
            like = self._like(latest, number)
            latest = like.at(~np.isin(like.ordinals, found.ordinals))
            found = found.joined(latest)
        return found.at(np.argsort(found.ordinals, kind="stable"))

    def _like(self, images: Images, but: int) -> Images:
        """Return the images of every other cluster that are like some images."""
        found = images.at(np.empty(0, np.int64))
        points = prepared(images.vectors, self._index.metric)
        near = self._borders.within(points, self._radius * np.linalg.norm(points, axis=1))
        near[:, but] = False
        for cluster in np.flatnonzero(near.any(axis=0)).tolist():
            others = self._members(cluster)
            near_units = images.units[near[:, cluster]]
            found = found.joined(others.at(self._are_like(others.units, near_units)))
        return found

    def _are_like(self, units: Floats, queries: Floats) -> NDArray[np.bool_]:
        like = np.zeros(len(units), bool)
        for start in range(0, len(queries), _AT_ONCE):
            like |= (units @ queries[start : start + _AT_ONCE].T >= self._least).any(axis=1)
        return like

    def _read(self, number: int) -> Images:
        """The images of a cluster, by ordinal."""
        ordinals, vectors = [], []
        for place, segment in enumerate(self._index.segments):
            rows = segment.rows_of_lists(np.array([number]))
            allowed = self._mask.rows(place)
            rows = rows if allowed is None else rows[allowed[rows]]
            ordinals.append(segment.ordinals[rows])
            vectors.append(np.asarray(segment.vectors[rows], np.float32))
        numbers, stored = np.concatenate(ordinals), np.concatenate(vectors)
        order = np.argsort(numbers, kind="stable")
        return Images(numbers[order], stored[order], prepared(stored[order], Metric.COSINE))


def _groups_among(ordinals: NDArray[np.int64], units: Floats, least: float) -> list[Group]:
    if not len(units):
        return []
    similar = np.minimum(units @ units.T, 1)
    # Each image joins the first that is similar to it, and that one's group.
    like = similar >= least
    # Including zero vectors, which are similar to nothing.
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
