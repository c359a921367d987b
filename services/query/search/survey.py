"""Hits that a person should judge, to measure the precision of the collection's first hits."""

import hashlib
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.query.search.exploring import at_random
from services.query.search.searcher import Searcher
from services.query.search.space import Space
from shared.engines.engine import is_small
from shared.engines.evidence import Reach, gather
from shared.engines.ivf.index import InvertedIndex
from shared.maths.packaged_counting import packaged_pictures
from shared.maths.survey import Survey
from shared.models.external import is_external
from shared.snapshots.items import Item

_SEARCHES, _HITS = 600, 10
_LEAST_SEARCHES = 10
_PROBES = 32


@dataclass(frozen=True)
class CollectionSurvey:
    """Searches by pictures of a collection, and their first hits by ordinal, (searches, hits)."""

    name: str
    asked: list[Item]
    hits: NDArray[np.int64]
    survey: Survey


class Surveys:
    """Makes the survey of a snapshot once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[int, CollectionSurvey | None] | None = None

    def of(self, searcher: Searcher) -> CollectionSurvey | None:
        """Return the survey of a collection; None where there is too little to ask of."""
        number = searcher.collection.manifest.number
        with self._lock:
            if self._made is None or self._made[0] != number:
                self._made = (number, _survey_of(searcher))
            return self._made[1]


def _survey_of(searcher: Searcher) -> CollectionSurvey | None:
    space = searcher.collection.visual
    if space is None or not isinstance(space.index, InvertedIndex):
        return None
    # The first file stays while images are added: judgements hold until the next build.
    first = f"{space.fingerprint} {space.index.segments[0].path.name}"
    name = hashlib.sha256(first.encode()).hexdigest()[:12]
    rng = np.random.default_rng(int(name, 16) % 2**31)
    asked, hits, chances = [], [], []
    for item in at_random(searcher, _SEARCHES, rng):
        found = _first_hits(searcher, space, space.index, item)
        if found is not None and len(found[0]) == _HITS:
            asked.append(item)
            hits.append(found[0])
            chances.append(found[1])
    if len(asked) < _LEAST_SEARCHES:
        return None
    return CollectionSurvey(name, asked, np.stack(hits), Survey(np.stack(chances)))


def _first_hits(
    searcher: Searcher, space: Space, index: InvertedIndex, item: Item
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """The first hits of a picture without itself, and how probable each of them is right."""
    vector, moments = index.vector(item.ordinal), space.moments
    if vector is None or moments is None:
        return None
    where = Reach(index.clusters if is_small(index) else min(_PROBES, index.clusters))
    mask = searcher.collection.mask(space, searcher.deleted)
    reranks = not is_external(space.fingerprint)
    found = gather(index, index.ask(vector), moments, where, mask, [item.ordinal], reranks)
    if found is None:
        return None
    counter = space.counter or packaged_pictures()
    # Without anything to tell them by, all hits are asked of alike.
    chances = np.full(_HITS, 0.5)
    if counter is not None:
        chances = counter.chances(found.evidence)[:_HITS]
    return found.ordinals[:_HITS], chances
