"""The candidates of one page: clusters are ranked and scanned until there are enough."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from services.query.search.hits import passes
from services.query.search.key_frames import Framed, FrameHits, NearestFrames
from services.query.search.paging import IdOf, Ranking
from services.query.search.probing import Plan
from services.query.search.query import Query
from services.query.search.space import Space
from services.query.search.stopwatch import Stopwatch
from shared.contracts.query import Metric, SearchOptions
from shared.contracts.stats import RecallPoint
from shared.core.record import record
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import Candidates, IndexSearch
from shared.engines.ivf.mask import Mask
from shared.engines.ivf.rerank import CANDIDATES, rank_keys
from shared.engines.ivf.ties import with_ties
from shared.maths import distances


@record
class LookupResult:
    """Candidates of a page. `near`: the measured point whose radius they are within; None: at any
    distance.

    The page starts at place `start` of the ranking, which leaves `left_out` out, and has videos at
    their nearest frames.
    """

    candidates: Candidates
    ranking: Ranking
    start: int
    near: RecallPoint | None
    left_out: int
    frames: FrameHits | None

    def has_frames(self, limit: int) -> bool:
        """Tell whether a video stands where a frame is, on a page of that many hits."""
        if self.frames is None:
            return False
        page = self.ranking.found.ordinals[self.ranking.page(self.start, limit)]
        return not self.frames.ordinals.isdisjoint(page.tolist())


@record
class SpaceSearch:
    """Query to a space, ready to be looked up. `mask`: the rows that may be hits."""

    space: Space
    query: Query
    options: SearchOptions
    metric: Metric
    prepared: PreparedQuery
    mask: Mask


class Lookup:
    """One search of one space. `wanted`: how many candidates its page needs, as far as known."""

    def __init__(self, search: SpaceSearch, plan: Plan, id_of: IdOf) -> None:
        space, query, options = search.space, search.query, search.options
        self._space, self._query, self._options = space, query, options
        self._metric, self._prepared, self._mask = search.metric, search.prepared, search.mask
        self._plan, self._id_of = plan, id_of
        after = query.after
        # One more for each image that is left out.
        self._leave_out = [*query.leave_out, *(after.shown if after else ())]
        before = after.offset if after else options.offset
        wanted = before + options.limit + len(query.leave_out)
        self.wanted = min(wanted, space.index.rows)
        self._reranks = query.reranks(space, options)

    @property
    def first(self) -> IndexSearch:
        """The search of the index that comes first, and mostly is the only one."""
        return self._search(self._plan.nprobe, self._plan.near, self._first_k)

    @property
    def _first_k(self) -> int:
        # Re-rank the same candidates for every page, so that pages follow one order.
        few = min(CANDIDATES, self._space.index.rows)
        return max(self.wanted, few) if self._reranks else self.wanted

    def run(self, watch: Stopwatch, found: Candidates | None = None) -> LookupResult:
        """Probe more until the page is full, or there is nothing left.

        found: what `first` found, if that was searched for before.
        """
        rows, clusters = self._space.index.rows, self._space.index.clusters
        k, nprobe, near = self._first_k, self._plan.nprobe, self._plan.near
        while True:
            result = self._once(nprobe, near, k, watch, found)
            found = None
            short = result.start + self._options.limit - len(result.ranking)
            if short <= 0:
                return result
            if k <= len(result.candidates.ordinals) and k < rows:
                # Images of earlier pages are left out of the top, so look deeper.
                k = min(k + short, rows)
            elif self._plan.target is not None and result.candidates.nprobe < clusters:
                # Clusters may be small, or reduced by deletions or a filter, so probe more until
                # the page is full.
                nprobe, near = min(2 * result.candidates.nprobe, clusters), None
            else:
                return result

    def _search(self, nprobe: int, near: RecallPoint | None, k: int) -> IndexSearch:
        radius = None if near is None else near.reach
        depth = None if self._plan.depth is None else max(self._plan.depth, k)
        itself = self._query.itself
        return IndexSearch(
            self._prepared, nprobe, radius, k, self._metric, depth, self._mask, itself
        )

    def _once(
        self,
        nprobe: int,
        near: RecallPoint | None,
        k: int,
        watch: Stopwatch,
        found: Candidates | None,
    ) -> LookupResult:
        index, query = self._space.index, self._query
        with watch("scan"):
            found = found or index.search(**vars(self._search(nprobe, near, k)))
            found = with_ties(found, index.vectors, self._prepared.vector)
            passed = None if query.after is None else query.after.passed(self._id_of)
            # With `nprobe` no other cluster is probed. Frames are in none, so that those which a
            # filter empties hide no frame.
            is_all = self._plan.target is None and len(found.ordinals) < k
            framed = Framed.of(found, self._nearest_frames, index, self._mask, passed, is_all)
            candidates = framed.candidates
        keys: NDArray[np.float64] | None = None
        if self._reranks:
            with watch("rerank"):
                same, passing = query.same(self._metric), self._passing(candidates)
                keys = rank_keys(
                    candidates, framed.vectors, self._prepared.vector, self._metric, same, passing
                )
        with watch("rank"):
            shown = candidates
            if self._leave_out:
                kept = ~np.isin(candidates.ordinals, self._leave_out)
                shown, keys = candidates.at(kept), None if keys is None else keys[kept]
            ranking = Ranking(shown, self._id_of, query.itself, query.same(self._metric), keys)
            after = query.after
            start = ranking.start(after.place if after else None, self._options.offset)
        left_out = len(candidates.ordinals) - len(shown.ordinals)
        return LookupResult(found, ranking, start, near, left_out, framed.by_frame)

    @cached_property
    def _nearest_frames(self) -> NearestFrames | None:
        return self._space.nearest_frames(self._prepared.vector, self._metric)

    def _passing(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Return a mask of the candidates that the cut-offs let through."""
        options, count = self._options, len(candidates.distances)
        if options.score_threshold is None and options.min_probability is None:
            return np.ones(count, bool)
        scores = [
            distances.score(distance, self._metric) for distance in candidates.distances.tolist()
        ]
        chances = self._space.chances(scores, self._metric)
        each = (passes(*one, options) for one in zip(scores, chances, strict=True))
        return np.fromiter(each, bool, count)
