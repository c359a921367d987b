"""An inverted index over its segments: rank the clusters, probe the top ones, re-rank exactly.

Two ways choose what is looked at exactly. Large segments have short codes in memory: those of the
probed lists are compared, and only the nearest `depth` rows are read. Without codes, every row of
the probed lists is read. Either way what comes out was measured on the stored vectors, first in
float32 and, what survives that with a margin for rounding, in float64: so that order and ties don't
depend on where a row lies.

Where there are codes, and the processor can, all of this is one call of compiled code
(`compiled.py`). The steps here do the same by faiss and numpy; their codes order by one metric.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shared.contracts.filters import Filter
from shared.contracts.query import Metric
from shared.engines.ivf.candidates import Candidates as Candidates
from shared.engines.ivf.candidates import IndexSearch as IndexSearch
from shared.engines.ivf.coarse import Coarse, PreparedQuery
from shared.engines.ivf.codes import CodedLists
from shared.engines.ivf.compiled import CompiledIndex
from shared.engines.ivf.mask import Mask
from shared.engines.ivf.partition import Partition
from shared.engines.ivf.reader import Postings
from shared.engines.ivf.scan import BLOCK, scan
from shared.maths import distances

# Lengths that differ by less than this count as equal: L2 and cosine then give the same order.
_SAME_LENGTH = 1e-4


class InvertedIndex:
    """Posting lists over one set of centroids. Immutable; search parameters are arguments.

    segments: the first has the centroids, later ones are additions on them.
    metric: what the clusters and codes were made for; either can be asked for.
    former: an index that may have some of the segments; what is made ready of them is taken over.
    compiled: whether compiled code searches it, where that can run.
    """

    def __init__(
        self,
        segments: Sequence[Postings],
        metric: Metric,
        former: Self | None = None,
        compiled: bool = True,
    ) -> None:
        self.segments = list(segments)
        self.metric = metric
        ready: dict[Postings, CodedLists | None] = {}
        if former is not None and former.segments[0] is segments[0] and former.metric is metric:
            self._coarse: Coarse = former._coarse
            ready = dict(zip(former.segments, former._coded, strict=True))
        else:
            former = None
            self._coarse = Coarse(Partition.of(segments[0], metric))
        self._compiled: CompiledIndex | None = None
        if compiled and CompiledIndex.fits(self._coarse, segments):
            before = None if former is None else former._compiled
            self._compiled = CompiledIndex(self._coarse, segments, before)
        self._coded: list[CodedLists | None] = [
            ready[segment] if segment in ready else self._with_codes(segment)
            for segment in segments
        ]
        self._one_length = _one_length(segments)
        self._whole = Mask(segments, np.empty(0, np.int64))

    def _with_codes(self, segment: Postings) -> CodedLists | None:
        codec = self._coarse.codec
        if codec is None or segment.codes is None or self._compiled is not None:
            return None
        return CodedLists(codec, segment.codes, segment.list_offsets)

    @property
    def dim(self) -> int:
        return self.segments[0].dim

    @property
    def clusters(self) -> int:
        return self.segments[0].clusters

    @property
    def centroids(self) -> NDArray[np.float32]:
        """float32 of shape (clusters, dim)."""
        return self._coarse.centroids

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in self.segments)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The rows of each list; int64 of shape (clusters,)."""
        return self._whole.sizes

    def is_coded(self, metric: Metric) -> bool:
        """Return whether codes choose the candidates for a metric."""
        if self._compiled is not None:
            return True
        fits = metric is self.metric or self._one_length
        return fits and any(coded is not None for coded in self._coded)

    def mask(
        self,
        left_out: NDArray[np.int64],
        allowed: NDArray[np.bool_] | None = None,
        condition: Filter | None = None,
    ) -> Mask:
        """The rows that are left without some images, by ordinal; of those allowed, where given."""
        if not len(left_out) and allowed is None:
            return self._whole
        return Mask(self.segments, left_out, allowed)

    def vector(self, ordinal: int) -> NDArray[np.float32] | None:
        """The stored vector of an image, float32 of shape (dim,), or None."""
        for segment in reversed(self.segments):
            row = int(segment.find(np.array([ordinal]))[0])
            if row >= 0:
                return np.array(segment.vectors[row], np.float32)
        return None

    def stored(self, ordinals: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The ordinals of those of some images that are there, ascending, and their vectors."""
        wanted = np.unique(ordinals)
        vectors = np.empty((len(wanted), self.dim), np.float32)
        known = np.zeros(len(wanted), bool)
        # The newest segment with an image is valid.
        for segment in self.segments:
            rows = segment.find(wanted)
            there = rows >= 0
            vectors[there] = segment.vectors[rows[there]]
            known |= there
        return wanted[known], vectors[known]

    def vectors(self, found: Candidates) -> NDArray[np.float32]:
        """The stored vectors of what a scan found, float32 of shape (n, dim)."""
        vectors = np.empty((len(found.ordinals), self.dim), np.float32)
        for number, segment in enumerate(self.segments):
            here = np.flatnonzero(found.segments == number)
            if len(here):
                vectors[here] = segment.vectors[segment.find(found.ordinals[here])]
        return vectors

    def ask(self, vector: NDArray[np.float32]) -> PreparedQuery:
        """Makes a query ready; float32 of shape (dim,)."""
        return self._coarse.ask(vector)

    def rank(
        self, asked: PreparedQuery, count: int, reach: float | None = None
    ) -> NDArray[np.int64]:
        """The `count` clusters nearest to the query by L2, the nearest first; with a reach, those
        of them whose squared distance is at most so much more than the nearest one's."""
        return self._coarse.rank(asked, count, reach)

    def gaps(self, asked: PreparedQuery) -> NDArray[np.float32]:
        """Return the values that a reach is compared with: float32 of shape (clusters,)."""
        return self._coarse.gaps(asked)

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
        if self._compiled is not None and depth is not None and nprobe < self.clusters:
            found = self._run(
                self._compiled, asked, None, nprobe, reach, k, metric, depth, mask, include
            )
            if found.nprobe < self.clusters:
                return found
        lists = self.rank(asked, nprobe, reach)
        more = None if include is None else np.array([include])
        return self.scan(asked, lists, k, metric, depth, mask, more)

    def search_many(self, searches: Sequence[IndexSearch]) -> list[Candidates]:
        """Return what `search` does for each; those by codes share one call and all processors."""
        found: list[Candidates | None] = [None] * len(searches)
        by_mask: dict[int, list[int]] = {}
        for number, one in enumerate(searches):
            if one.depth is not None and one.nprobe < self.clusters:
                by_mask.setdefault(id(one.mask or self._whole), []).append(number)
        for places in by_mask.values() if self._compiled is not None else ():
            some = [searches[place] for place in places]
            for place, candidates in zip(places, self._run_many(some), strict=True):
                # With a reach all lists may be near, and then every row is compared.
                if candidates.nprobe < self.clusters:
                    found[place] = candidates
        return [
            self.search(**vars(one)) if done is None else done
            for one, done in zip(searches, found, strict=True)
        ]

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
        """The k nearest within some lists, the nearest first, and all ties with the last.

        depth: how many rows the codes choose of each segment; None, or all lists: every row is
        looked at. include: ordinals to look at wherever they are, unless the mask leaves them out.
        """
        if not self.is_coded(metric) or len(lists) >= self.clusters:
            depth = None
        is_one = include is None or len(include) == 1
        if self._compiled is not None and depth is not None and is_one:
            one = None if include is None else int(include[0])
            return self._run(self._compiled, asked, lists, 0, None, k, metric, depth, mask, one)
        mask = mask or self._whole
        return scan(self.segments, self._coded, asked, lists, k, metric, depth, mask, include)

    def _run(
        self,
        compiled: CompiledIndex,
        asked: PreparedQuery,
        lists: NDArray[np.int64] | None,
        nprobe: int,
        reach: float | None,
        k: int,
        metric: Metric,
        depth: int,
        mask: Mask | None,
        include: int | None,
    ) -> Candidates:
        some = None if mask is None or mask is self._whole else mask
        live = (mask or self._whole).live
        return compiled.search(
            asked.vector, lists, nprobe, reach, k, metric, depth, some, include, live
        )

    def _run_many(self, searches: Sequence[IndexSearch]) -> list[Candidates]:
        """Search by compiled code; all with one mask."""
        if self._compiled is None:
            raise RuntimeError("the compiled search can't run here")
        mask = searches[0].mask or self._whole
        each = [
            (one.asked.vector, one.nprobe, one.reach, one.k, one.metric, one.depth, one.include)
            for one in searches
        ]
        return self._compiled.search_many(each, None if mask is self._whole else mask, mask.live)

    def chosen_by_codes(
        self,
        asked: Sequence[PreparedQuery],
        lists: Sequence[NDArray[np.int64]],
        depth: int,
        metric: Metric | None = None,
    ) -> list[NDArray[np.int64]]:
        """Rows of the first segment whose codes are nearest to each query within its lists, nearest
        first; at most `depth`.

        metric: one that `is_coded`; None: the index's own.
        """
        if self._compiled is not None:
            pairs = [(one.vector, some) for one, some in zip(asked, lists, strict=True)]
            return self._compiled.chosen_by_codes(pairs, depth, metric or self.metric)
        coded = self._coded[0]
        return [
            np.empty(0, np.int64)
            if coded is None or one.reduced is None
            else coded.nearest(one.reduced, some, depth)
            for one, some in zip(asked, lists, strict=True)
        ]

    def kept(
        self, asked: PreparedQuery, nprobe: int, k: int, mask: Mask, reach: float | None = None
    ) -> int:
        """How many of the k nearest rows of the top clusters a mask keeps, by their codes."""
        [rows] = self.chosen_by_codes([asked], [self.rank(asked, nprobe, reach)], k)
        allowed = mask.rows(0)
        return len(rows) if allowed is None else int(allowed[rows].sum())

    def by_cluster(self) -> Self:
        """The index itself: its lists are its clusters."""
        return self

    def place(self, segment: int) -> str:
        """The name of a segment's file."""
        return self.segments[segment].path.name

    def code_distance(self, asked: PreparedQuery, segment: int, ordinal: int) -> float | None:
        """How far an image is by its code, in the index's own metric; None where it has none."""
        codec, postings = self._coarse.codec, self.segments[segment]
        if codec is None or postings.codes is None or asked.reduced is None:
            return None
        row = int(postings.find(np.array([ordinal]))[0])
        square = codec.squared_distance(asked.reduced, np.asarray(postings.codes[row]))
        # For unit vectors the squared distance is 2 (1 - cosine).
        return square / 2 if self.metric is Metric.COSINE else float(np.sqrt(square))

    def among(
        self, query: NDArray[np.float32], ordinals: NDArray[np.int64], metric: Metric
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ordinals and exact distances of those of the given images that are in the index."""
        found, away = [], []
        for segment in self.segments:
            rows = segment.find(ordinals)
            there = rows >= 0
            for start in range(0, int(there.sum()), BLOCK):
                some = rows[there][start : start + BLOCK]
                found.append(ordinals[there][start : start + BLOCK])
                vectors = np.asarray(segment.vectors[some], np.float32)
                away.append(distances.exact(vectors, query, metric))
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.float64)
        return np.concatenate(found), np.concatenate(away)


def _one_length(segments: Sequence[Postings]) -> bool:
    ranges = [segment.lengths for segment in segments if segment.rows]
    least = min((shortest for shortest, _ in ranges), default=1.0)
    most = max((longest for _, longest in ranges), default=1.0)
    return least > 0 and most - least <= _SAME_LENGTH * most
