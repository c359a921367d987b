"""From a search's target to the response."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from services.query.answering.by_date import sorted_as_asked
from services.query.answering.searches import Resolved
from services.query.search.browsing import unknown_keys
from services.query.search.cursor import AnswerKind, Pages
from services.query.search.result import SearchResult
from services.query.search.searcher import Searcher
from services.query.search.stopwatch import Stopwatch
from shared.contracts.answer import (
    CorrectedTerm,
    Guarantee,
    Hit,
    LabelFacet,
    SearchResponse,
    TagCount,
)
from shared.contracts.query import SearchOptions
from shared.core.trace import span
from shared.snapshots.items import tag_key
from shared.snapshots.version import Version


def answered(
    resolved: Resolved, options: SearchOptions, pages: Pages, watch: Stopwatch
) -> SearchResponse:
    """Probe and re-rank, and return the answer to a search."""
    searcher = resolved.searcher
    result = sorted_as_asked(resolved.target, options).rank(searcher, watch)
    with span("answer"):
        return response_for(searcher, result, options, watch, pages, resolved.corrected)


def response_for(
    searcher: Searcher,
    result: SearchResult,
    options: SearchOptions,
    watch: Stopwatch,
    pages: Pages,
    corrected: Mapping[str, str] = MappingProxyType({}),
) -> SearchResponse:
    """Return the answer to a search. corrected: the tags that its terms were read as."""
    collection = searcher.collection
    # A list that ends where it must has no further page.
    end = result.end if options.guarantee is None else None
    kind = AnswerKind.of(result.mode, result.model, result.metric, result.colors, corrected)
    return SearchResponse(
        hits=result.hits,
        limit=options.limit,
        offset=pages.offset,
        next=pages.next(end, kind, collection.newest),
        complete=result.complete,
        facets=None if options.facets is None else _facets(result.hits, options.facets),
        label_facets=None if options.facets is None else _label_facets(result.hits, options.facets),
        cut_off=result.cut_off,
        expected=None if result.matches is None else result.matches.expected,
        present=None if result.matches is None else result.matches.present,
        guarantee=_guarantee(result, options),
        mode=result.mode,
        searched_as=next(iter(corrected.values()), None),
        corrected_terms=[
            CorrectedTerm(term=term, searched_as=tag) for term, tag in corrected.items()
        ],
        colors=list(result.colors),
        unknown_keys=unknown_keys(searcher, options.filter),
        metric=result.metric,
        snapshot=collection.manifest.number,
        version=str(Version(collection.manifest.number, len(searcher.deleted))),
        model=result.model,
        recall=result.recall,
        timings_ms=watch.timings_ms(),
    )


def _guarantee(result: SearchResult, options: SearchOptions) -> Guarantee | None:
    if options.guarantee is None:
        return None
    is_met = result.matches is not None and result.matches.promised is not None
    return Guarantee(asked=options.guarantee, met=is_met)


def _facets(hits: Sequence[Hit], limit: int) -> list[TagCount]:
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for hit in hits:
        written = {tag_key(tag): tag for tag in hit.tags}
        names = written | names
        counts.update(written.keys())
    order = sorted(counts, key=lambda key: (-counts[key], key))
    return [TagCount(tag=names[key], count=counts[key]) for key in order[:limit]]


def _label_facets(hits: Sequence[Hit], limit: int) -> list[LabelFacet]:
    counts = Counter(name for hit in hits for name in {label.name for label in hit.labels})
    order = sorted(counts, key=lambda name: (-counts[name], name))
    return [LabelFacet(name=name, count=counts[name]) for name in order[:limit]]
