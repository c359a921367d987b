"""From ranked candidates to a page of hits."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.query.search.collection import Collection
from services.query.search.combination import Combination
from services.query.search.duplicates import folded
from services.query.search.key_frames import FrameHits
from services.query.search.paging import PageEnd, Ranking
from services.query.search.space import Space
from shared.contracts.answer import CutOff, Explanation, Hit
from shared.contracts.base import trusted
from shared.contracts.facts import facts_of
from shared.contracts.query import Metric, SearchOptions
from shared.core.errors import Corrupt
from shared.core.record import record
from shared.engines.ivf.coarse import PreparedQuery
from shared.engines.ivf.index import Candidates
from shared.maths import distances
from shared.snapshots.items import Item


@record
class Page:
    """hits: those of one page. is_full: as many as wanted, or all that a threshold admits.

    end: None if nothing follows.
    """

    hits: list[Hit]
    is_full: bool
    end: PageEnd | None
    cut_off: CutOff | None


@record
class HitEvidence:
    """Evidence by which a hit is judged and explained.

    certain: tells whether an ordinal is known to match, as the image itself does. chances: gives
    the probability of each ordinal by other evidence than scores, as for carriers of a tag; None:
    it counts as a match and passes any `min_probability`. combination: parts of the query;
    probabilities are fitted for queries of one part. prepared: the query in the form compared with
    codes, if these chose the candidates. frames: those that videos are found by.
    """

    certain: Callable[[int], bool] = lambda _: False
    combination: Combination | None = None
    prepared: PreparedQuery | None = None
    chances: Callable[[NDArray[np.int64]], list[float | None]] | None = None
    frames: FrameHits | None = None

    @property
    def is_calibrated(self) -> bool:
        return self.combination is None or self.combination.is_single


def page_of(
    collection: Collection,
    space: Space,
    ranking: Ranking,
    start: int,
    options: SearchOptions,
    metric: Metric,
    total: int,
    grounds: HitEvidence,
    records: Mapping[int, Item] = MappingProxyType({}),
) -> Page:
    """Hits start : start + limit of a ranking. `total`: how many there are, in it or not.

    records: those that were read before, by ordinal.
    """
    found = ranking.found
    positions = ranking.page(start, options.limit)
    places = np.array(positions, np.int64)
    at, away = found.ordinals[places], found.distances[places]
    scores = distances.scores(away, metric).tolist()
    if grounds.chances is not None:
        chances = grounds.chances(at)
    else:
        chances = space.chances(scores, metric) if grounds.is_calibrated else [None] * len(scores)
    relevances = ranking.relevances(positions, metric)
    shown: list[_Shown] = []
    for position, ordinal, distance, score, relevance, learnt in zip(
        positions, at.tolist(), away.tolist(), scores, relevances, chances, strict=True
    ):
        chance = 1.0 if grounds.certain(ordinal) else learnt
        passing = 1.0 if chance is None and grounds.chances is not None else chance
        if passes(score, passing, options):
            shown.append(_Shown(position, ordinal, distance, score, relevance, chance))
    ordinals = [one.ordinal for one in shown]
    items = [records.get(ordinal) for ordinal in ordinals]
    if None in items:
        items = collection.items(np.array(ordinals, np.int64))
    hits = [
        _hit(collection, space, found, one, item, options, grounds)
        for one, item in zip(shown, items, strict=True)
    ]
    below = len(positions) - len(hits)
    is_full = len(hits) == options.limit
    end = None
    if is_full and start + options.limit < total:
        by_frame = frozenset[int]() if grounds.frames is None else grounds.frames.ordinals
        framed = [ordinal for ordinal in ordinals if ordinal in by_frame]
        end = PageEnd(ordinals, partial(ranking.place, positions[-1]), framed)
    if options.group_duplicates and hits and collection.visual is not None:
        hits = folded(hits, ordinals, collection.visual)
    return Page(hits, is_full or below > 0, end, cut_off(hits, below, options))


def passes(score: float, chance: float | None, options: SearchOptions) -> bool:
    """Return whether the cut-offs let a hit through."""
    if options.score_threshold is not None and score < options.score_threshold:
        return False
    return options.min_probability is None or (chance or 0.0) >= options.min_probability


def cut_off(hits: list[Hit], below: int, options: SearchOptions) -> CutOff | None:
    """Return the effect of a search's cut-offs on a page; None without cut-offs."""
    if options.score_threshold is None and options.min_probability is None:
        return None
    return CutOff(confident=bool(hits), below=below)


def item_of(collection: Collection, ordinal: int) -> Item:
    """Return the record of a candidate. Raises Corrupt if there is none."""
    return _known(collection, ordinal, collection.item(ordinal))


def _known(collection: Collection, ordinal: int, item: Item | None) -> Item:
    if item is None:
        number = collection.manifest.number
        raise Corrupt(f"Snapshot {number} has a vector of image {ordinal}, but no record.")
    return item


class _Shown(NamedTuple):
    """One hit before its record was read."""

    position: int
    ordinal: int
    distance: float
    score: float
    relevance: float
    chance: float | None


def _hit(
    collection: Collection,
    space: Space,
    found: Candidates,
    shown: _Shown,
    record: Item | None,
    options: SearchOptions,
    grounds: HitEvidence,
) -> Hit:
    item, position = _known(collection, shown.ordinal, record), shown.position
    combination = grounds.combination
    needs_vector = options.with_vector or combination is not None
    vector = None
    if needs_vector and grounds.frames is not None:
        vector = grounds.frames.vector(item.ordinal)
    if needs_vector and vector is None:
        vector = space.index.vector(item.ordinal)
    contributions = None
    if combination is not None and vector is not None:
        contributions = combination.contributions(vector)
    explain = None
    if options.explain and found.ranks[position] > 0:
        number = int(found.segments[position])
        by_code = None
        if grounds.prepared is not None:
            by_code = space.index.code_distance(grounds.prepared, number, item.ordinal)
        explain = Explanation(
            cluster=int(found.clusters[position]),
            cluster_rank=int(found.ranks[position]),
            segment=space.index.place(number),
            candidate_distance=by_code,
            exact_distance=shown.distance,
        )
    return trusted(
        Hit,
        {
            "id": item.id,
            "score": shown.score,
            "relevance": shown.relevance,
            "distance": shown.distance,
            "probability": shown.chance,
            "tags": item.tags,
            "uri": item.uris[0] if item.uris else "",
            "uris": item.uris,
            "metadata": item.metadata,
            "labels": collection.labels.of(item.ordinal),
            "text": [],
            "added_at": item.added_at,
            "file": facts_of(item.file),
            "time_s": None
            if grounds.frames is None
            else grounds.frames.nearest.time_of(item.ordinal),
            "explain": explain,
            "contributions": contributions,
            "duplicates": None,
            "vector": vector.tolist() if options.with_vector and vector is not None else None,
            "notes": item.notes or None,
        },
    )
