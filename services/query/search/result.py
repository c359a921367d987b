"""Results of a search, and what it holds before and after its first look at the index."""

from collections.abc import Mapping
from dataclasses import field

from services.query.search.lookup import Lookup, SpaceSearch
from services.query.search.matches import Matches
from services.query.search.paging import PageEnd
from services.query.search.probing import Plan
from shared.contracts.answer import CutOff, Hit, Mode, Recall
from shared.contracts.query import Metric, SearchOptions
from shared.core.record import record
from shared.engines.ivf.index import Candidates
from shared.snapshots.items import Item


@record
class SearchResult:
    """Hits of a search, and how they were found."""

    hits: list[Hit]
    end: PageEnd | None
    complete: bool
    mode: Mode
    metric: Metric
    model: str | None
    recall: Recall
    cut_off: CutOff | None = None
    matches: Matches | None = None
    colors: tuple[str, ...] = ()


@record
class PreparedSearch:
    """Search by a vector before the index is looked at.

    ordinary: its options as they came, before a promise made the list shorter.
    """

    search: SpaceSearch
    lookup: Lookup
    plan: Plan
    matches: Matches | None
    ordinary: SearchOptions


@record
class FirstLook:
    """Candidates of a search, and records that may be on its page, by ordinal."""

    candidates: Candidates | None = None
    records: Mapping[int, Item] = field(default_factory=dict)
