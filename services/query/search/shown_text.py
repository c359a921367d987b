"""Images whose text answers a term, alone or before those that are near to its meaning."""

from dataclasses import replace

import numpy as np

from services.query.search.cursor import Cursor
from services.query.search.hits import HitEvidence, cut_off, page_of
from services.query.search.key_frames import FrameHits
from services.query.search.matches import Matches
from services.query.search.paging import PageEnd, Ranking
from services.query.search.query import Query
from services.query.search.result import SearchResult
from services.query.search.searcher import Searcher
from services.query.search.space import Space
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Expected, Hit, Mode, Recall
from shared.contracts.query import Metric, SearchOptions
from shared.engines.ivf.index import Candidates
from shared.snapshots.image_texts import Shown

_FIRST = -3.0
"""Sort keys of images by their text lie below all distances: so a cursor tells where it ended."""
_SURE = 0.5
"""From this score on, a text was read more surely than not."""


def matching(searcher: Searcher, text: str, near: bool, part: float, after: Cursor | None) -> Shown:
    """Return the live images that show words, the best first. See `ImageTexts.find`.

    after: the page before; only images of that time count.
    """
    found = searcher.collection.texts.find(text, near, part)
    kept = ~np.isin(found.ordinals, searcher.deleted)
    kept &= searcher.collection.has(found.ordinals)
    if after is not None:
        kept &= found.ordinals <= after.newest
    return found.kept(kept)


def ranked(
    searcher: Searcher,
    shown: Shown,
    options: SearchOptions,
    watch: Stopwatch,
    after: Cursor | None,
    meaning: tuple[Space, Query] | None = None,
) -> SearchResult:
    """Return the images that show a text; behind them those near to a meaning, if it is given.

    The score of the first is that of their text, 0 to 1; with a meaning, their relevance is 1 more,
    as they come first.
    """
    visual = searcher.collection.visual
    mode = Mode.TEXT if meaning is None else Mode.MIXED
    if visual is None:
        return searcher.nothing(mode, options)
    # Nothing calibrates how surely a text was read, so no list is promised.
    options = options.model_copy(update={"guarantee": None})
    everything = shown
    if options.filter is not None:
        with watch("filter"):
            allowed = searcher.collection.allowed(options.filter)
            shown = shown.kept(allowed[shown.ordinals])
    started = after.offset if after is not None else options.offset
    with watch("rank"):
        first, ordinals = _by_text(searcher, visual, shown, options, after, meaning)
    if meaning is None:
        return replace(first, mode=mode, matches=None if after else _matches_of(shown))
    space, query = meaning
    count, sure = len(shown), _sure(shown)
    # Near copies may be folded into fewer hits than the page has.
    if first.end is not None:
        matches = None
        if after is None:
            # How many match by meaning is all that is left to learn.
            left = replace(query, leave_out=everything.ordinals.tolist())
            one = options.model_copy(update={"offset": 0, "limit": 1})
            matches = searcher.nearest(space, left, one, watch).matches
            matches = (matches or Matches(None, None)).beside(count, sure)
        metric = options.metric or space.index.metric
        return replace(first, mode=mode, metric=metric, matches=matches)
    behind = max(started - len(shown), 0)
    rest = options.model_copy(
        update={"offset": 0 if after else behind, "limit": options.limit - len(ordinals)}
    )
    by_text = set(everything.ordinals.tolist())
    resumed = None
    if after is not None:
        is_in_text = after.place is not None and after.place.key < 0
        resumed = replace(
            after,
            offset=behind,
            place=None if is_in_text else after.place,
            shown=[one for one in after.shown if one not in by_text],
        )
    query = replace(query, after=resumed, leave_out=everything.ordinals.tolist())
    found = searcher.nearest(space, query, rest, watch)
    end = found.end
    if end is not None:
        end = PageEnd([*ordinals, *end.ordinals], end.find_place, end.framed)
    matches = None
    if after is None:
        matches = (found.matches or Matches(None, None)).beside(count, sure)
    hits = [*first.hits, *found.hits]
    cut = None if found.cut_off is None else cut_off(hits, found.cut_off.below, options)
    return replace(found, hits=hits, end=end, mode=mode, cut_off=cut, matches=matches)


def _by_text(
    searcher: Searcher,
    visual: Space,
    shown: Shown,
    options: SearchOptions,
    after: Cursor | None,
    meaning: tuple[Space, Query] | None,
) -> tuple[SearchResult, list[int]]:
    """A page of the images that show a text, and the ordinals of all that it covers."""
    is_alone = meaning is None
    space = visual if meaning is None else meaning[0]
    away = 1.0 - shown.scores
    none = np.zeros(len(shown), np.int64)
    candidates = Candidates(
        shown.ordinals,
        away,
        none,
        none,
        none,
        scanned=len(shown),
        live=len(shown),
        nprobe=0,
        reranked=len(shown),
    ).without(after.shown if after else ())
    ranking = Ranking(candidates, lambda o: _id(searcher, o), keys=candidates.distances + _FIRST)
    is_behind = after is not None and after.place is not None and after.place.key >= 0
    if is_behind:
        start = len(ranking)
    elif after is not None:
        start = ranking.start(after.place, 0)
    else:
        start = options.offset
    # Only scores of spaces have thresholds and probabilities: a text that is read counts.
    page = page_of(
        searcher.collection,
        space,
        ranking,
        start,
        options.model_copy(update={"score_threshold": None}),
        Metric.COSINE,
        # What follows by meaning is not known yet.
        len(ranking) if is_alone else len(ranking) + 1,
        HitEvidence(
            chances=lambda ordinals: [None] * len(ordinals), frames=_frames(options, meaning)
        ),
    )
    raised = 0.0 if is_alone else 1.0
    hits = [
        hit.model_copy(
            update={
                "relevance": hit.score + raised,
                "text": searcher.collection.texts.of(_ordinal(searcher, hit), shown.words),
            }
        )
        for hit in page.hits
    ]
    recall = Recall(
        target=None,
        expected=1.0,
        nprobe=0,
        clusters=space.index.clusters,
        scanned_fraction=0.0,
        reranked=len(shown),
    )
    cut = cut_off(hits, 0, options)
    result = SearchResult(
        hits, page.end, True, Mode.TEXT, Metric.COSINE, space.fingerprint, recall, cut
    )
    return result, candidates.ordinals[ranking.page(start, options.limit)].tolist()


def _frames(options: SearchOptions, meaning: tuple[Space, Query] | None) -> FrameHits | None:
    """Return the frames that are nearest to a meaning; videos aren't found by them here, as their
    text is that of the poster.
    """
    if meaning is None:
        return None
    space, query = meaning
    metric = options.metric or space.index.metric
    nearest = space.nearest_frames(space.checked(query.vector), metric)
    return None if nearest is None else FrameHits(nearest, frozenset())


def _sure(shown: Shown) -> int:
    """Return how many texts were read more surely than not."""
    return int(np.count_nonzero(shown.scores >= _SURE))


def _matches_of(shown: Shown) -> Matches:
    """Return how many images match: at least those whose text was surely read."""
    count, sure = len(shown), _sure(shown)
    return Matches(Expected(matches=count, low=sure, high=count), 1.0 if sure else None)


def _ordinal(searcher: Searcher, hit: Hit) -> int:
    item = searcher.find(hit.id)
    return -1 if item is None else item.ordinal


def _id(searcher: Searcher, ordinal: int) -> str:
    item = searcher.collection.item(ordinal)
    return "" if item is None else item.id
