"""Facts that many images share, counted: years, cameras, places, tags, labels."""

import heapq
from collections import Counter
from collections.abc import Iterable

import numpy as np

from services.query.search.collection import Collection
from services.query.search.order import View
from shared.contracts.browsing import FacetCount, Facets
from shared.contracts.facts import FILE

_LABEL_LEAST = 0.5


def facets_of(collection: Collection, view: View, limit: int) -> Facets:
    """Return the most frequent values of each fact among some images, sorted by date."""
    alive = np.zeros(collection.newest + 1, bool)
    alive[view.ordinals] = True
    records = collection.records(alive)

    def of(fact: str) -> list[FacetCount]:
        counts: Counter[str] = Counter()
        for file, valid in records:
            counts.update(dict(file.metadata.counts(f"{FILE}.{fact}", valid)))
        return _most(counts.items(), limit)

    years: Counter[str] = Counter()
    days, undated = view.days
    for day, count in days:
        years[day[:4]] += count
    tags: Counter[str] = Counter()
    names: dict[str, str] = {}
    for file, valid in records:
        gone = np.flatnonzero(~valid)
        counted = file.tags.counts(gone).tolist()
        for key, (name, row) in file.tags.items():
            if counted[row]:
                tags[key] += counted[row]
                names[key] = name
    return Facets(
        years=[FacetCount(value=year, count=count) for year, count in sorted(years.items())],
        undated=undated,
        first=min((day for day, _ in days), default=None),
        last=max((day for day, _ in days), default=None),
        cameras=of("camera"),
        lenses=of("lens"),
        countries=of("country"),
        cities=of("city"),
        tags=_most(((names[key], count) for key, count in tags.items()), limit),
        labels=_most(collection.labels.shown_by(alive, _LABEL_LEAST), limit),
        total=len(view),
    )


def _most(counts: Iterable[tuple[str, int]], limit: int) -> list[FacetCount]:
    most = heapq.nsmallest(limit, counts, key=lambda one: (-one[1], one[0]))
    return [FacetCount(value=value, count=count) for value, count in most]
