"""One page of candidates, ties by id, the image itself first among its equals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter, lt

import numpy as np
from numpy.typing import NDArray

from shared.contracts.query import Metric
from shared.core.record import record
from shared.engines.ivf.index import Candidates
from shared.engines.ivf.rerank import is_moved, moved_distances
from shared.maths import distances

IdOf = Callable[[int], str]


@dataclass(frozen=True)
class Place:
    """End of a page: the last hit's place in the order, and its id."""

    key: float
    id: str
    ordinal: int


@record
class PageEnd:
    """Hits that a page with successors has shown: their ordinals, and where the last one is.

    framed: those of them that stand where a key frame is.
    """

    ordinals: list[int]
    find_place: Callable[[], Place] = field(compare=False)
    framed: list[int] = field(default_factory=list)

    @property
    def place(self) -> Place:
        """The place of the last hit, which only long lists need."""
        return self.find_place()


class Ranking:
    """Candidates in the order of an answer.

    `itself`: ordinal of the query's own image; it comes first unless another one is nearer by more
    than `same`. `id_of` is called only for images on the page or tied with its ends. `keys`: sort
    keys, ascending; by default the distances.
    """

    def __init__(
        self,
        found: Candidates,
        id_of: IdOf,
        itself: int | None = None,
        same: float = 0.0,
        keys: NDArray[np.float64] | None = None,
    ) -> None:
        self.found = found
        self._id_of = id_of
        self._is_as_found = keys is None and itself is None
        if self._is_as_found:
            self._keys: NDArray[np.float64] = found.distances
            self._order = self._ranks = np.arange(len(found.distances))
            return
        self._may_move = keys is not None
        keys = (found.distances if keys is None else keys).copy()
        own = np.flatnonzero(found.ordinals == itself)
        if len(own) and found.distances[own[0]] - found.distances[0] <= same:
            keys[own[0]] = -np.inf
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        self._ranks = np.empty(len(keys), np.int64)
        self._ranks[self._order] = np.arange(len(keys))

    def __len__(self) -> int:
        return len(self._keys)

    def start(self, place: Place | None, offset: int) -> int:
        """Return the number of candidates up to a place; without a place, the offset.

        The place is found by the present distance of its hit, because an upload's features may
        differ in the last bits. If the hit has gone, by its former distance.
        """
        if place is None:
            return offset
        there = np.flatnonzero(self.found.ordinals[self._order] == place.ordinal)
        key = float(self._keys[there[0]]) if len(there) else place.key
        start, end = self._ties(key, key)
        tied = self.found.ordinals[self._order[start:end]]
        return start + sum(self._id_of(ordinal) <= place.id for ordinal in tied.tolist())

    def page(self, offset: int, limit: int) -> list[int]:
        """Positions among the candidates of hits offset : offset + limit."""
        if offset >= len(self._keys):
            return []
        last = min(offset + limit, len(self._keys)) - 1
        start, end = self._ties(self._keys[offset], self._keys[last])
        return self._in_order(start, end)[offset - start : offset - start + limit]

    def place(self, position: int) -> Place:
        """The place of a candidate."""
        key = float(self._keys[np.flatnonzero(self._order == position)[0]])
        ordinal = int(self.found.ordinals[position])
        return Place(key, self._id_of(ordinal), ordinal)

    def relevances(self, positions: Sequence[int], metric: Metric) -> list[float]:
        """Return the scores that candidates are ordered by; no later one has a higher score.

        Those that a re-rank did not look at stand behind it with their own, which are cut to its
        last.
        """
        if self._is_as_found:
            as_found: list[float] = distances.scores(
                self.found.distances[positions], metric
            ).tolist()
            return as_found
        ranks = self._ranks[positions]
        end = int(ranks.max(initial=-1)) + 1
        away, keys = self.found.distances[self._order[:end]], self._keys[:end]
        if self._may_move:
            away = np.where(is_moved(keys), moved_distances(keys), away)
        lowest = np.minimum.accumulate(distances.scores(away, metric))
        found: list[float] = lowest[ranks].tolist()
        return found

    def _ties(self, first: float, last: float) -> tuple[int, int]:
        start = int(np.searchsorted(self._keys, first, side="left"))
        return start, int(np.searchsorted(self._keys, last, side="right"))

    def _in_order(self, start: int, end: int) -> list[int]:
        """Positions of the candidates at places start : end, those of one key by id."""
        positions: list[int] = self._order[start:end].tolist()
        keys: list[float] = self._keys[start:end].tolist()
        if all(map(lt, keys, keys[1:])):
            return positions
        ordered: list[int] = []
        for _, tied in groupby(zip(keys, positions, strict=True), key=itemgetter(0)):
            some = [position for _, position in tied]
            if len(some) > 1:
                some.sort(key=lambda position: self._id_of(int(self.found.ordinals[position])))
            ordered += some
        return ordered
