"""A search's matches by date or name instead of by relevance."""

from dataclasses import dataclass, replace

from services.query.answering.targets import (
    Carriers,
    Neighbours,
    NoImages,
    Showing,
    Target,
)
from services.query.search.browsing import in_order
from services.query.search.colored import Colored
from services.query.search.result import SearchResult
from services.query.search.searcher import Searcher
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Hit, Mode
from shared.contracts.browsing import Sort
from shared.contracts.query import MAX_LIMIT, SearchOptions

MATCHES = 0.5
"""From this probability on a hit counts as a match."""
_COLORED = 0.5
"""From this share of the first hit's relevance on, a hit of a search with a colour matches."""
FEW = 200
"""Hits that count as matches where no probability tells."""


@dataclass(frozen=True)
class Sorted:
    """The matches of a target, in another order. It has no cursor: pages are by `offset`."""

    target: Target
    options: SearchOptions
    sort: Sort

    def rank(self, searcher: Searcher, watch: Stopwatch) -> SearchResult:
        """Rank all that may match, keep what does, and sort that."""
        result = _with_all(self.target).rank(searcher, watch)
        matches, is_cut = _matches(result)
        with watch("sort"):
            hits = in_order(searcher, self.sort, {hit.id: hit for hit in matches})
        start = self.options.offset
        # Where the ranking goes on, some that match may lie behind its end.
        complete = result.complete and result.end is None and not is_cut
        page = hits[start : start + self.options.limit]
        return replace(result, hits=page, end=None, complete=complete)


def _with_all(target: Target) -> Target:
    """Return the target with its own options, which may narrow the search's, but for the page."""
    if isinstance(target, Carriers | Colored | Neighbours | NoImages | Showing):
        options = target.options.model_copy(update={"limit": MAX_LIMIT, "offset": 0})
        return replace(target, options=options)
    return target


def _matches(result: SearchResult) -> tuple[list[Hit], bool]:
    """Return the hits that count as matches, and whether some may be missing."""
    hits = result.hits
    expected = None if result.matches is None else result.matches.expected
    if expected is not None and result.mode is not Mode.TAG:
        return hits[: expected.matches], expected.matches > len(hits)
    if result.colors:
        # A product of two probabilities is seldom large.
        least = _COLORED * hits[0].relevance if hits else 0.0
        return [hit for hit in hits if hit.relevance >= least], False
    if result.mode is Mode.TAG:
        # An image that carries the tag matches unless its probability tells otherwise.
        return [hit for hit in hits if hit.probability is None or hit.probability >= MATCHES], False
    if result.mode is Mode.TEXT:
        return hits, False
    if all(hit.probability is None for hit in hits):
        return hits[:FEW], len(hits) > FEW
    # A text that is read in the picture counts, whatever the picture looks like.
    return [hit for hit in hits if hit.text or (hit.probability or 0) >= MATCHES], False


def sorted_as_asked(target: Target, options: SearchOptions) -> Target:
    """Return a target whose hits come in the order that a search asks for."""
    sort = options.sort.images
    return target if sort is None else Sorted(target, options, sort)
