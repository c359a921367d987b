"""Images of a colour that a term names, alone or together with what its other words mean."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from services.query.search.colored_candidates import (
    ColoredCandidates,
    Origin,
    both_frames,
    joined,
    likeness,
    unprobed,
)
from services.query.search.cursor import Cursor
from services.query.search.hits import HitEvidence, page_of
from services.query.search.key_frames import Framed
from services.query.search.lookup import Lookup, LookupResult, SpaceSearch
from services.query.search.matches import Matches, of_colors, shortest
from services.query.search.paging import Ranking
from services.query.search.probing import plan
from services.query.search.query import Query
from services.query.search.result import SearchResult
from services.query.search.searcher import Searcher
from services.query.search.space import Space
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Hit, Mode, Recall
from shared.contracts.query import MAX_LIMIT, Metric, SearchOptions
from shared.engines.engine import is_small
from shared.maths import color_chances, distances
from shared.maths.evidence import PLACES

_DEPTH = MAX_LIMIT
"""Images that are nearest to the words and are then ordered by the colour as well."""


@dataclass(frozen=True)
class Colored:
    """Images to rank by colours: of the carriers of a tag, or near to a meaning, or of all.

    is_either: what is near to the meaning, or has the colour: the term is a word for both. after:
    the page before.
    """

    colors: tuple[str, ...]
    options: SearchOptions
    after: Cursor | None
    tag: str | None = None
    meaning: tuple[Space, Query] | None = None
    is_either: bool = False

    def rank(self, searcher: Searcher, watch: Stopwatch) -> SearchResult:
        visual = searcher.collection.visual
        if visual is None:
            return searcher.nothing(Mode.COLOR, self.options)
        with watch("color"):
            shares = searcher.collection.colors.shares(self.colors)
        if self.meaning is not None:
            found = self._by_meaning(searcher, *self.meaning, shares, watch)
        elif self.tag is not None:
            found = self._by_tag(searcher, visual, self.tag, shares, watch)
        else:
            found = self._by_color(searcher, visual, shares, watch)
        with watch("count"):
            matches = self._matches(searcher, found)
        with watch("rank"):
            return self._page(searcher, found, matches)

    def _matches(self, searcher: Searcher, found: ColoredCandidates) -> Matches | None:
        """Count what matches, where all that may was looked at and each probability is known.

        How far counts of a meaning with a colour lie from the truth isn't measured.
        """
        if self.after is not None or not found.are_told or self.meaning is not None:
            return None
        guarantee = self.options.guarantee
        first = np.argsort(-found.order, kind="stable")[:PLACES].tolist()
        if guarantee is not None:
            # Of the hits in their very order, which takes the ids of those that tie.
            first = self._ranking(searcher, found).page(0, PLACES)
        return of_colors(found.chances, found.chances[first], self.tag is not None, guarantee)

    @staticmethod
    def _ranking(
        searcher: Searcher, found: ColoredCandidates, kept: NDArray[np.bool_] | None = None
    ) -> Ranking:
        """Return the candidates in their order. kept: those that may be hits; None: all are."""
        some = np.ones(len(found.order), bool) if kept is None else kept
        # Keys between -1 and 0 would stand for averaged distances.
        keys = (1 - found.order)[some]
        return Ranking(found.candidates.at(some), partial(_id, searcher), keys=keys)

    def _by_color(
        self, searcher: Searcher, visual: Space, shares: NDArray[np.float32], watch: Stopwatch
    ) -> ColoredCandidates:
        with watch("filter"):
            ordinals = self._narrowed(searcher, np.flatnonzero(shares))
        own = shares[ordinals].astype(np.float64)
        chances = color_chances.of_picture(own, self.colors)
        return ColoredCandidates(
            visual, Mode.COLOR, Metric.COSINE, unprobed(ordinals, 1 - own), own, chances
        )

    def _by_tag(
        self,
        searcher: Searcher,
        visual: Space,
        tag: str,
        shares: NDArray[np.float32],
        watch: Stopwatch,
    ) -> ColoredCandidates:
        metric = self.options.metric or Metric.COSINE
        carriers = searcher.collection.carriers(tag, searcher.deleted)
        if self.after is not None:
            carriers = carriers[carriers <= self.after.newest]
        with watch("filter"):
            kept = self._narrowed(searcher, carriers)
        space, vector = searcher.tag_space(tag, carriers)
        with watch("scan"):
            found = unprobed(*space.index.among(vector, kept, metric))
            nearest = space.nearest_frames(vector, metric)
            framed = Framed.of(found, nearest, space.index, None)
        ordinals = framed.candidates.ordinals
        own = color_chances.of_thing(shares[ordinals], self.colors)
        shown = np.array(visual.tag_chances(carriers, ordinals), np.float64)
        origin = Origin(frames=framed.by_frame)
        return ColoredCandidates(
            space, Mode.TAG, metric, framed.candidates, own, own * shown, origin
        )

    def _by_meaning(
        self,
        searcher: Searcher,
        space: Space,
        query: Query,
        shares: NDArray[np.float32],
        watch: Stopwatch,
    ) -> ColoredCandidates:
        metric = self.options.metric or space.index.metric
        if self.options.min_probability is not None:
            space.check_calibrated(metric, "`min_probability`")
        result, origin = self._nearest(searcher, space, query, metric, watch)
        found = result.ranking.found
        if self.is_either:
            # And the images that have most of the colour, however far from the meaning.
            every = self._narrowed(searcher, np.flatnonzero(shares))
            most = every[np.argsort(-shares[every], kind="stable")[:_DEPTH]]
            further = np.setdiff1d(most, found.ordinals)
            with watch("scan"):
                more = unprobed(*space.index.among(query.vector, further, metric))
                nearest = space.nearest_frames(space.checked(query.vector), metric)
                framed = Framed.of(more, nearest, space.index, None)
            found = joined(found, framed.candidates).without(query.leave_out)
            origin = replace(origin, frames=both_frames(origin.frames, framed))
        scores = distances.scores(found.distances, metric).tolist()
        told = space.chances(scores, metric)
        is_one = query.combination is None or query.combination.is_single
        is_told = is_one and all(one is not None for one in told)
        word = np.array(told, np.float64) if is_told else likeness(found.distances)
        of_color = color_chances.of_picture if self.is_either else color_chances.of_thing
        own = of_color(shares[found.ordinals], self.colors)
        both = 1 - (1 - word) * (1 - own) if self.is_either else word * own
        chances = both if is_told else np.full(len(both), np.nan)
        return ColoredCandidates(space, query.mode, metric, found, both, chances, origin)

    def _nearest(
        self, searcher: Searcher, space: Space, query: Query, metric: Metric, watch: Stopwatch
    ) -> tuple[LookupResult, Origin]:
        """Return the images nearest to a meaning, as a search for it alone looks for them."""
        newest = None if self.after is None else self.after.newest
        options = self.options.model_copy(
            update={
                **{"limit": _DEPTH, "offset": 0, "cursor": None, "guarantee": None},
                **{"score_threshold": None, "min_probability": None},
            }
        )
        with watch("filter"):
            mask = searcher.collection.narrowed(space, searcher.deleted, options.filter, newest)
        with watch("probe"):
            prepared = space.index.ask(space.checked(query.vector))
            wanted = min(_DEPTH, space.index.rows)
            clusters, target = space.index.clusters, searcher.recall_target
            small = is_small(space.index)
            chosen = plan(space.curves, metric, wanted, clusters, options, target, is_small=small)
        plain = replace(query, after=None)
        search = SpaceSearch(space, plain, options, metric, prepared, mask)
        found = Lookup(search, chosen, partial(_id, searcher)).run(watch)
        nprobe = found.candidates.nprobe
        by_codes = chosen.depth is not None and nprobe < clusters and space.index.is_coded(metric)
        coded = prepared if by_codes else None
        is_whole = len(found.ranking) + found.left_out >= found.candidates.live
        return found, Origin(nprobe, is_whole, query.combination, coded, found.frames)

    def _narrowed(self, searcher: Searcher, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the images that are there, pass the filter and came no later than the first
        page.
        """
        collection = searcher.collection
        kept = ~np.isin(ordinals, searcher.deleted) & collection.has(ordinals)
        if self.after is not None:
            kept &= ordinals <= self.after.newest
        if self.options.filter is not None:
            kept &= collection.allowed(self.options.filter)[ordinals]
        return ordinals[kept]

    def _page(
        self, searcher: Searcher, found: ColoredCandidates, matches: Matches | None
    ) -> SearchResult:
        options, after = shortest(self.options, matches), self.after
        origin = found.origin
        likely = found.passing(options)
        kept = likely & ~np.isin(found.candidates.ordinals, after.shown if after else [])
        ranking = self._ranking(searcher, found, kept)
        start = ranking.start(after.place if after else None, options.offset)
        page = page_of(
            searcher.collection,
            found.space,
            ranking,
            start,
            options,
            found.metric,
            len(ranking),
            HitEvidence(
                combination=origin.combination,
                prepared=origin.prepared,
                chances=found.told,
                frames=origin.frames,
            ),
        )

        def ordered(hit: Hit) -> Hit:
            item = searcher.find(hit.id)
            place = None if item is None else found.place(item.ordinal)
            relevance = hit.relevance if place is None else float(found.order[place])
            return hit.model_copy(update={"relevance": relevance})

        cut = page.cut_off
        if cut is not None:
            cut = cut.model_copy(update={"below": cut.below + int(np.count_nonzero(~likely))})
        live = found.candidates.live
        if origin.nprobe is None:
            live = searcher.collection.live(searcher.deleted)
        looked_at = found.candidates.scanned
        recall = Recall(
            target=None,
            expected=1.0 if origin.nprobe is None or looked_at >= live else None,
            nprobe=origin.nprobe or 0,
            clusters=found.space.index.clusters,
            scanned_fraction=min(looked_at / live, 1.0) if live else 1.0,
            reranked=found.candidates.reranked,
        )
        return SearchResult(
            [ordered(hit) for hit in page.hits],
            page.end,
            page.is_full or origin.is_whole,
            found.mode,
            found.metric,
            found.space.fingerprint,
            recall,
            cut,
            matches,
            colors=self.colors,
        )


def _id(searcher: Searcher, ordinal: int) -> str:
    item = searcher.collection.item(ordinal)
    return "" if item is None else item.id
