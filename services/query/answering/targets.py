"""Targets: the subjects that a search ranks on one collection."""

from dataclasses import dataclass
from typing import Protocol

from services.query.search.cursor import Cursor
from services.query.search.query import Query
from services.query.search.result import SearchResult
from services.query.search.searcher import Searcher
from services.query.search.shown_text import ranked
from services.query.search.space import Space
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import Mode
from shared.contracts.query import SearchOptions
from shared.core.record import record
from shared.snapshots.image_texts import Shown


class Target(Protocol):
    """Images to rank, with the options to rank them by. May read files, so it may take time."""

    def rank(self, searcher: Searcher, watch: Stopwatch) -> SearchResult: ...


@record
class Neighbours:
    """The images nearest to a query vector."""

    space: Space
    query: Query
    options: SearchOptions

    def rank(self, searcher: Searcher, watch: Stopwatch) -> SearchResult:
        return searcher.nearest(self.space, self.query, self.options, watch)


@dataclass(frozen=True)
class Carriers:
    """The images that carry a tag. after: the page before."""

    tag: str
    options: SearchOptions
    after: Cursor | None

    def rank(self, searcher: Searcher, watch: Stopwatch) -> SearchResult:
        return searcher.tagged(self.tag, self.options, watch, self.after)


@dataclass(frozen=True)
class Showing:
    """The images whose text answers a term; behind them those near to its meaning, if given."""

    shown: Shown
    options: SearchOptions
    after: Cursor | None
    meaning: tuple[Space, Query] | None = None

    def rank(self, searcher: Searcher, watch: Stopwatch) -> SearchResult:
        return ranked(searcher, self.shown, self.options, watch, self.after, self.meaning)


@dataclass(frozen=True)
class NoImages:
    """Target in a collection without comparable images. mode: that of the search."""

    mode: Mode
    options: SearchOptions

    def rank(self, searcher: Searcher, watch: Stopwatch) -> SearchResult:
        return searcher.nothing(self.mode, self.options)
