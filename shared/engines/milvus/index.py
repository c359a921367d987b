"""A space whose vectors are in Milvus, searched as `shared/engines/ivf/index.py` is.

Milvus ranks its lists and chooses candidates. Who is in the space is told by the snapshot's own
segments, and what comes back is measured anew on the stored vectors in float64: so that order and
ties are those of the other engine, and nothing is a hit that the snapshot doesn't hold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shared.contracts.filters import Filter
from shared.contracts.query import Metric
from shared.core.errors import Conflict
from shared.core.record import record
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import Candidates, IndexSearch, InvertedIndex
from shared.engines.ivf.mask import Mask
from shared.engines.ivf.reader import Postings
from shared.engines.milvus.collection import MOST, Found, MilvusCollection
from shared.engines.milvus.terms import expression
from shared.maths import distances

SPARE = 16
"""What is asked of Milvus beyond k: some are deleted, or tie with the last."""

# Fetching and comparing this many rows takes no longer than choosing among more.
_FEW = 2_000
_BLOCK = 4_096
# Milvus's float32 distances may differ although they are equal, and the other way round.
_ROUNDING = 1e-5


@record
class _Fetched(Candidates):
    """Candidates whose vectors came along; float32 of shape (n, dim)."""

    stored: NDArray[np.float32]

    def at(self, kept: NDArray[Any]) -> Self:
        return replace(super().at(kept), stored=self.stored[kept])


class _Filtered(Mask):
    """A mask, and what Milvus knows of it."""

    def __init__(
        self,
        segments: Sequence[Postings],
        left_out: NDArray[np.int64],
        allowed: NDArray[np.bool_] | None,
        said: str,
    ) -> None:
        super().__init__(segments, left_out, allowed)
        self.said = said


class MilvusIndex:
    """One space in one collection. Immutable; search parameters are arguments.

    segments: who is in it, without their vectors. is_exact: whether all lists together give the
    exact answer, as they do where Milvus keeps vectors whole. knows_tags: whether it can filter by
    tags; collections of older versions know other keys of them.
    """

    def __init__(
        self,
        collection: MilvusCollection,
        segments: Sequence[Postings],
        metric: Metric,
        clusters: int,
        is_exact: bool,
        knows_tags: bool = True,
    ) -> None:
        self.segments = list(segments)
        self.metric = metric
        self.collection = collection
        self._clusters = clusters
        self._is_exact = is_exact
        self._knows_tags = knows_tags
        self._whole = Mask(segments, np.empty(0, np.int64))

    @property
    def dim(self) -> int:
        return self.collection.dim

    @property
    def clusters(self) -> int:
        return self._clusters

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in self.segments)

    def is_coded(self, metric: Metric) -> bool:
        """No: what Milvus makes of vectors is its own."""
        return False

    def mask(
        self,
        left_out: NDArray[np.int64],
        allowed: NDArray[np.bool_] | None = None,
        condition: Filter | None = None,
    ) -> Mask:
        """The rows that are left without some images, by ordinal; of those allowed, where given.

        Milvus is told the condition too, so that it chooses among those that meet it.
        """
        if not len(left_out) and allowed is None:
            return self._whole
        if condition is None:
            return Mask(self.segments, left_out, allowed)
        return _Filtered(self.segments, left_out, allowed, expression(condition, self._knows_tags))

    def vector(self, ordinal: int) -> NDArray[np.float32] | None:
        """The stored vector of an image, float32 of shape (dim,), or None."""
        wanted = np.array([ordinal])
        if not any(segment.find(wanted)[0] >= 0 for segment in self.segments):
            return None
        found = self.collection.fetch(wanted).vectors
        return found[0] if len(found) else None

    def stored(self, ordinals: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ordinals of those of some images that are there, ascending, and their vectors."""
        wanted = np.unique(ordinals)
        known = np.zeros(len(wanted), bool)
        for segment in self.segments:
            known |= segment.find(wanted) >= 0
        found = self.collection.fetch(wanted[known])
        order = np.argsort(found.ordinals)
        return found.ordinals[order], found.vectors[order]

    def vectors(self, found: Candidates) -> NDArray[np.float32]:
        """The stored vectors of what a scan found, float32 of shape (n, dim)."""
        if isinstance(found, _Fetched):
            return found.stored
        return self.collection.read(found.ordinals)

    def ask(self, vector: NDArray[np.float32]) -> PreparedQuery:
        """Makes a query ready; float32 of shape (dim,)."""
        return PreparedQuery(vector)

    def rank(
        self, asked: PreparedQuery, count: int, reach: float | None = None
    ) -> NDArray[np.int64]:
        """Return as many lists as asked; Milvus ranks them itself, so that only their number
        counts.
        """
        return np.arange(min(count, self._clusters))

    def search(
        self,
        asked: PreparedQuery,
        nprobe: int,
        reach: float | None,
        k: int,
        metric: Metric,
        depth: int | None = None,
        mask: Mask | None = None,
        include: int | None = None,
    ) -> Candidates:
        """Return what `scan` finds within the lists that `rank` gives. include: an ordinal."""
        more = None if include is None else np.array([include])
        lists = self.rank(asked, nprobe, reach)
        return self.scan(asked, lists, k, metric, depth, mask, more)

    def search_many(self, searches: Sequence[IndexSearch]) -> list[Candidates]:
        """Return what `search` does for each."""
        return [self.search(**vars(one)) for one in searches]

    def scan(
        self,
        asked: PreparedQuery,
        lists: NDArray[np.int64],
        k: int,
        metric: Metric,
        depth: int | None = None,
        mask: Mask | None = None,
        include: NDArray[np.int64] | None = None,
    ) -> Candidates:
        """The k nearest within some lists, the nearest first, and all ties with the last."""
        mask = mask or self._whole
        share = len(lists) / self._clusters
        said = mask.said if isinstance(mask, _Filtered) else ""
        is_unsaid = isinstance(mask, _Filtered) and not said
        if share >= 1 and mask.live <= _FEW and (is_unsaid or not self._is_exact):
            found = self._of(mask, np.concatenate(self._live(mask)), asked.vector, metric)
            return self._told(found, k, mask, lists)
        if share >= 1 and not self._is_exact:
            return self._told(self._compared(asked.vector, k, metric, mask), k, mask, lists)
        take = k + SPARE
        while take <= MOST:
            answer = self.collection.search(asked.vector[None], take, metric, len(lists), said)[0]
            found = self._measured(answer, asked.vector, metric, mask)
            if len(answer.ordinals) < take or _is_enough(found, answer, k, asked.vector, metric):
                break
            take = min(2 * take, MOST) if take < MOST else MOST + 1
        else:
            found = self._compared(asked.vector, k, metric, mask)
        if include is not None:
            missing = include[~np.isin(include, found.ordinals)]
            found = _joined(found, self._of(mask, missing, asked.vector, metric))
        return self._told(found, k, mask, lists)

    def among(
        self, query: NDArray[np.float32], ordinals: NDArray[np.int64], metric: Metric
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ordinals and exact distances of those of the given images that are in the index."""
        found = self._of(self._whole, ordinals, query, metric)
        return found.ordinals, found.distances

    def kept(
        self, asked: PreparedQuery, nprobe: int, k: int, mask: Mask, reach: float | None = None
    ) -> int:
        """How many of the k nearest rows of the top clusters a mask keeps."""
        found = self.collection.search(
            asked.vector[None], k, self.metric, nprobe, with_vectors=False
        )[0]
        return int(np.count_nonzero(self._places(found.ordinals, mask) >= 0))

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Every vector of the first segment: pairs of a first row and float32 of shape (n, dim)."""
        members = self.segments[0].ordinals
        for start in range(0, len(members), _BLOCK):
            yield start, self.collection.read(members[start : start + _BLOCK])

    def by_cluster(self) -> InvertedIndex:
        """Raises Conflict: Milvus tells of no cluster who is in it."""
        raise Conflict(
            "Near-duplicates are found cluster by cluster, and Milvus doesn't expose "
            "its clusters. `group_duplicates` groups those among a search's hits."
        )

    def place(self, segment: int) -> str:
        """The name of the collection, which holds every segment."""
        return self.collection.name

    def code_distance(self, asked: PreparedQuery, segment: int, ordinal: int) -> float | None:
        """None: what Milvus makes of vectors is its own."""
        return None

    def _of(
        self, mask: Mask, ordinals: NDArray[np.int64], query: NDArray[np.float32], metric: Metric
    ) -> _Fetched:
        there = ordinals[self._places(ordinals, mask) >= 0]
        return self._measured(self.collection.fetch(there), query, metric, mask)

    def _compared(self, query: NDArray[np.float32], k: int, metric: Metric, mask: Mask) -> _Fetched:
        """The k nearest of all, and all ties with the last, compared here one by one."""
        best: _Fetched | None = None
        reranked = 0
        for ordinals in self._live(mask):
            for block in self.collection.blocks(ordinals):
                here = self._measured(block, query, metric, mask)
                reranked += len(here.ordinals)
                best = here if best is None else _joined(best, here)
                if len(best.ordinals) > k:
                    best = best.at(best.distances <= np.partition(best.distances, k - 1)[k - 1])
        found = best or self._of(mask, np.empty(0, np.int64), query, metric)
        return replace(found, reranked=reranked)

    def _live(self, mask: Mask) -> list[NDArray[np.int64]]:
        """The images that a mask leaves, by segment."""
        allowed = [mask.rows(number) for number in range(len(self.segments))]
        return [
            segment.ordinals if rows is None else segment.ordinals[rows]
            for segment, rows in zip(self.segments, allowed, strict=True)
        ]

    def _places(self, ordinals: NDArray[np.int64], mask: Mask) -> NDArray[np.int64]:
        """The segment of each image; -1 where it isn't in the space, or masked."""
        places = np.full(len(ordinals), -1)
        for number, segment in enumerate(self.segments):
            rows = segment.find(ordinals)
            allowed = mask.rows(number)
            kept = rows >= 0
            if allowed is not None:
                kept[kept] = allowed[rows[kept]]
            places[kept] = number
        return places

    def _measured(
        self, found: Found, query: NDArray[np.float32], metric: Metric, mask: Mask
    ) -> _Fetched:
        places = self._places(found.ordinals, mask)
        kept = places >= 0
        away = distances.exact(found.vectors[kept], query, metric)
        none = np.zeros(len(away), np.int64)
        return _Fetched(
            found.ordinals[kept], away, none, none, places[kept], 0, 0, 0, len(away),
            found.vectors[kept],
        )  # fmt: skip

    def _told(self, found: _Fetched, k: int, mask: Mask, lists: NDArray[np.int64]) -> Candidates:
        """The k nearest, with all ties, in order; `scanned` as if all lists had one size."""
        if len(found.ordinals) > k:
            kth = np.partition(found.distances, k - 1)[k - 1] if k else -1.0
            found = found.at(found.distances <= kth)
        found = found.at(np.argsort(found.distances, kind="stable"))
        share = len(lists) / self._clusters
        scanned = max(round(share * mask.live), min(found.reranked, mask.live))
        return replace(found, scanned=scanned, live=mask.live, nprobe=len(lists))


def _is_enough(
    found: _Fetched, answer: Found, k: int, query: NDArray[np.float32], metric: Metric
) -> bool:
    """Return whether all unfetched rows are farther than the k-th, as far as float32 can tell."""
    if len(found.ordinals) < k:
        return False
    if not k:
        return True
    kth = float(np.partition(found.distances, k - 1)[k - 1])
    last = float(distances.exact(answer.vectors[-1:], query, metric)[0])
    if metric is Metric.COSINE:
        return last > kth + _ROUNDING
    # For L2, float32 rounds the squares.
    margin = _ROUNDING * (float(np.linalg.norm(query)) + last) ** 2
    return last**2 > kth**2 + margin


def _joined(one: _Fetched, other: _Fetched) -> _Fetched:
    def both(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(one, name), getattr(other, name)])

    return replace(
        one,
        ordinals=both("ordinals"),
        distances=both("distances"),
        clusters=both("clusters"),
        ranks=both("ranks"),
        segments=both("segments"),
        stored=both("stored"),
        reranked=one.reranked + other.reranked,
    )
