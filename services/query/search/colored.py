"""Images of a colour that a term names, alone or together with what its other words mean."""

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from services.query.search.cursor import Cursor
from services.query.search.hits import HitEvidence, page_of
from services.query.search.lookup import Lookup, SpaceSearch
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
from shared.engines.ivf.index import Candidates
from shared.maths import color_chances, distances

Floats = NDArray[np.float64]

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
            matches = self._matches(found)
        with watch("rank"):
            return self._page(searcher, found, matches)

    def _matches(self, found: "_Ranked") -> Matches | None:
        """Count what matches, where all that may was looked at and each probability is known.

        How far counts of a meaning with a colour lie from the truth isn't measured.
        """
        if self.after is not None or found.chances is None or self.meaning is not None:
            return None
        order = np.argsort(-found.order, kind="stable")
        return of_colors(found.chances[order], self.tag is not None, self.options.guarantee)

    def _by_color(
        self, searcher: Searcher, visual: Space, shares: NDArray[np.float32], watch: Stopwatch
    ) -> "_Ranked":
        with watch("filter"):
            ordinals = self._narrowed(searcher, np.flatnonzero(shares))
        own = shares[ordinals].astype(np.float64)
        chances = color_chances.of_picture(own, self.colors)
        return _Ranked(
            visual, Mode.COLOR, Metric.COSINE, _all_of(ordinals, 1 - own), own, chances, None
        )

    def _by_tag(
        self,
        searcher: Searcher,
        visual: Space,
        tag: str,
        shares: NDArray[np.float32],
        watch: Stopwatch,
    ) -> "_Ranked":
        metric = self.options.metric or Metric.COSINE
        carriers = searcher.collection.carriers(tag, searcher.deleted)
        if self.after is not None:
            carriers = carriers[carriers <= self.after.newest]
        with watch("filter"):
            kept = self._narrowed(searcher, carriers)
        space, vector = searcher.tag_space(tag, carriers)
        with watch("scan"):
            ordinals, away = space.index.among(vector, kept, metric)
        own = color_chances.of_thing(shares[ordinals], self.colors)
        shown = visual.tag_chances(carriers, ordinals)
        chances = None
        if all(one is not None for one in shown):
            chances = own * np.array(shown, np.float64)
        return _Ranked(space, Mode.TAG, metric, _all_of(ordinals, away), own, chances, None)

    def _by_meaning(
        self,
        searcher: Searcher,
        space: Space,
        query: Query,
        shares: NDArray[np.float32],
        watch: Stopwatch,
    ) -> "_Ranked":
        metric = self.options.metric or space.index.metric
        if self.options.min_probability is not None:
            space.check_calibrated(metric, "`min_probability`")
        found, nprobe = self._nearest(searcher, space, query, metric, watch)
        if self.is_either:
            # And the images that have most of the colour, however far from the meaning.
            every = self._narrowed(searcher, np.flatnonzero(shares))
            most = every[np.argsort(-shares[every], kind="stable")[:_DEPTH]]
            further = np.setdiff1d(most, found.ordinals)
            with watch("scan"):
                ordinals, away = space.index.among(query.vector, further, metric)
            found = _joined(found, ordinals, away)
        if query.leave_out:
            found = found.without(query.leave_out)
        told = space.chances(distances.scores(found.distances, metric).tolist(), metric)
        is_one = query.combination is None or query.combination.is_single
        is_told = is_one and all(one is not None for one in told)
        word = np.array(told, np.float64) if is_told else _likeness(found.distances)
        of_color = color_chances.of_picture if self.is_either else color_chances.of_thing
        own = of_color(shares[found.ordinals], self.colors)
        both = 1 - (1 - word) * (1 - own) if self.is_either else word * own
        return _Ranked(space, query.mode, metric, found, both, both if is_told else None, nprobe)

    def _nearest(
        self, searcher: Searcher, space: Space, query: Query, metric: Metric, watch: Stopwatch
    ) -> tuple[Candidates, int]:
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
        found = Lookup(search, chosen, partial(_id, searcher)).run(watch).candidates
        return found, found.nprobe

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

    def _page(self, searcher: Searcher, found: "_Ranked", matches: Matches | None) -> SearchResult:
        options, after = shortest(self.options, matches), self.after
        likely = found.passing(options)
        kept = likely & ~np.isin(found.candidates.ordinals, after.shown if after else [])
        candidates = found.candidates.at(kept)
        # Keys between -1 and 0 would stand for averaged distances.
        ranking = Ranking(candidates, partial(_id, searcher), keys=(1 - found.order)[kept])
        start = ranking.start(after.place if after else None, options.offset)
        page = page_of(
            searcher.collection,
            found.space,
            ranking,
            start,
            options,
            found.metric,
            len(ranking),
            HitEvidence(chances=found.told),
        )

        def ordered(hit: Hit) -> Hit:
            item = searcher.find(hit.id)
            place = None if item is None else found.place(item.ordinal)
            relevance = hit.relevance if place is None else float(found.order[place])
            return hit.model_copy(update={"relevance": relevance})

        cut = page.cut_off
        if cut is not None:
            cut = cut.model_copy(update={"below": cut.below + int(np.count_nonzero(~likely))})
        live = searcher.collection.live(searcher.deleted)
        looked_at = found.candidates.scanned
        recall = Recall(
            target=None,
            expected=1.0 if found.nprobe is None or looked_at >= live else None,
            nprobe=found.nprobe or 0,
            clusters=found.space.index.clusters,
            scanned_fraction=min(looked_at / live, 1.0) if live else 1.0,
            reranked=found.candidates.reranked,
        )
        return SearchResult(
            [ordered(hit) for hit in page.hits],
            page.end,
            page.is_full or found.nprobe is None or found.candidates.reranked >= live,
            found.mode,
            found.metric,
            found.space.fingerprint,
            recall,
            cut,
            matches,
            colors=self.colors,
        )


@dataclass(frozen=True)
class _Ranked:
    """Candidates, what orders them (0 to 1, the first has most), and their probabilities, if any.

    nprobe: clusters that were looked at; None: all that may match were.
    """

    space: Space
    mode: Mode
    metric: Metric
    candidates: Candidates
    order: Floats
    chances: Floats | None
    nprobe: int | None

    def passing(self, options: SearchOptions) -> NDArray[np.bool_]:
        """Return which candidates the cut-offs let through.

        Neither scores nor probabilities fall along the order, so a page can't end at one that is
        too low.
        """
        kept = np.ones(len(self.order), bool)
        if options.score_threshold is not None:
            scores = distances.scores(self.candidates.distances, self.metric)
            kept &= scores >= options.score_threshold
        if options.min_probability is not None and self.chances is not None:
            kept &= self.chances >= options.min_probability
        return kept

    @cached_property
    def _by_ordinal(self) -> NDArray[np.int64]:
        return np.argsort(self.candidates.ordinals, kind="stable")

    def place(self, ordinal: int) -> int | None:
        """Return where an image stands among the candidates, or None."""
        ordinals = self.candidates.ordinals
        at = int(np.searchsorted(ordinals, ordinal, sorter=self._by_ordinal))
        if at == len(ordinals) or ordinals[self._by_ordinal[at]] != ordinal:
            return None
        return int(self._by_ordinal[at])

    def told(self, ordinals: NDArray[np.int64]) -> list[float | None]:
        """Return the probability of each of some candidates, where anything tells."""
        if self.chances is None:
            return [None] * len(ordinals)
        at = np.searchsorted(self.candidates.ordinals, ordinals, sorter=self._by_ordinal)
        chances: list[float | None] = self.chances[self._by_ordinal[at]].tolist()
        return chances


def _all_of(ordinals: NDArray[np.int64], away: Floats) -> Candidates:
    """Return images that no probing found as candidates."""
    none, count = np.zeros(len(ordinals), np.int64), len(ordinals)
    return Candidates(
        ordinals, away, none, none, none, scanned=count, live=count, nprobe=0, reranked=count
    )


def _joined(found: Candidates, ordinals: NDArray[np.int64], away: Floats) -> Candidates:
    """Return candidates with further images."""
    none = np.zeros(len(ordinals), np.int64)
    return replace(
        found,
        ordinals=np.concatenate([found.ordinals, ordinals]),
        distances=np.concatenate([found.distances, away]),
        clusters=np.concatenate([found.clusters, none]),
        ranks=np.concatenate([found.ranks, none]),
        segments=np.concatenate([found.segments, none]),
        reranked=found.reranked + len(ordinals),
    )


def _likeness(away: Floats) -> Floats:
    """Return how good candidates are where no probability tells: 1 for the nearest, and less by
    each standard deviation.
    """
    if not len(away):
        return away
    spread = float(away.std()) or 1.0
    found: Floats = np.exp(-(away - away.min()) / spread)
    return found


def _id(searcher: Searcher, ordinal: int) -> str:
    item = searcher.collection.item(ordinal)
    return "" if item is None else item.id
