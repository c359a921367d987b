"""Looking around in one collection: near-duplicates, suggested tags, images at random."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.query.search.duplicates import Duplicates
from services.query.search.hits import item_of
from services.query.search.query import Query
from services.query.search.searcher import Searcher
from services.query.search.space import Space
from services.query.search.stopwatch import Stopwatch
from services.query.search.suggesting import NEIGHBOURS, suggested
from shared.contracts.answer import Mode
from shared.contracts.explore import Alike, DuplicateGroups, SuggestedTag, SuggestedTags
from shared.contracts.labels import Label
from shared.contracts.query import Metric, SearchOptions
from shared.core.errors import Conflict, InvalidInput, NotFound
from shared.snapshots.image_labels import not_carried
from shared.snapshots.items import Item

Vector = NDArray[np.float32]

_SECONDS = 2.0
_CURSOR = re.compile(r"(\d{1,15})-(\d{1,9})-(\d{1,9})")


def duplicates(
    searcher: Searcher, threshold: float, limit: int, cursor: str | None
) -> DuplicateGroups:
    """Return a page of groups.

    Raises InvalidInput, and Conflict if the cursor belongs to another snapshot. A cursor consists
    of the snapshot, the next cluster, and the number of its groups that were shown.
    """
    collection, space = searcher.collection, searcher.collection.visual
    number, first, shown = collection.manifest.number, 0, 0
    if cursor is not None:
        number, first, shown = _read(cursor)
    if number != collection.manifest.number:
        raise Conflict(
            "The collection changed since the previous page. Request the first page "
            "again, without `cursor`."
        )
    if space is None:
        return DuplicateGroups(groups=[], threshold=threshold, clusters=0, looked_at=0)
    mask = collection.mask(space, searcher.deleted)
    lookup = Duplicates(space.index.by_cluster(), mask, threshold)
    found, after = lookup.groups_from(first, shown + limit, _SECONDS)
    groups = [group for cluster in found for group in cluster][shown : shown + limit]
    # If a cluster has more groups than fit on the page, the next page continues with it.
    left = sum(map(len, found)) - shown - len(groups)
    following: str | None = f"{number}-{after}-0"
    if left > 0:
        after -= 1
        following = f"{number}-{after}-{len(found[-1]) - left}"
    elif after >= space.index.clusters:
        following = None
    return DuplicateGroups(
        groups=[
            [
                _alike(item_of(collection, ordinal), score)
                for ordinal, score in zip(group.ordinals, group.scores, strict=True)
            ]
            for group in groups
        ],
        threshold=threshold,
        clusters=space.index.clusters,
        looked_at=after,
        next=following,
    )


def suggestions(searcher: Searcher, image_id: str, limit: int) -> SuggestedTags:
    """Tags that may fit an image. Raises NotFound, and Conflict without probabilities."""
    item, space = searcher.find(image_id), searcher.collection.visual
    vector = space.index.vector(item.ordinal) if space and item else None
    if item is None or space is None or vector is None:
        raise NotFound(f"There is no image {image_id!r}.")
    labels = searcher.collection.labels.of(item.ordinal)
    return suggestions_for(searcher, space, vector, item, limit, labels)


def suggestions_for(
    searcher: Searcher,
    space: Space,
    vector: Vector,
    known: Item | None,
    limit: int,
    labels: Sequence[Label] = (),
) -> SuggestedTags:
    """Tags that may fit a picture of this vector, beside its labels.

    known: where it is an indexed image. Raises Conflict where there are neither probabilities nor
    labels.
    """
    fresh = not_carried(labels, known.tags if known else [])
    if not space.is_calibrated(Metric.COSINE) and labels:
        return SuggestedTags(id=known and known.id, tags=[], neighbours=0, labels=fresh)
    space.check_calibrated(Metric.COSINE, "A suggestion")
    itself = None if known is None else known.ordinal
    query = Query(vector, Mode.IMAGE, itself, [] if itself is None else [itself])
    options = SearchOptions(limit=NEIGHBOURS, metric=Metric.COSINE)
    hits = searcher.nearest(space, query, options, Stopwatch()).hits
    tagged = [hit for hit in hits if hit.tags]
    return SuggestedTags(
        id=known and known.id,
        tags=[
            SuggestedTag(tag=one.tag, probability=one.probability, images=one.images)
            for one in suggested(tagged, known.tags if known else [])[:limit]
        ],
        neighbours=len(tagged),
        labels=fresh,
    )


def at_random(searcher: Searcher, limit: int, rng: np.random.Generator) -> list[Item]:
    """Return random images without repetition; all of them if there are fewer."""
    collection, space = searcher.collection, searcher.collection.visual
    if space is None:
        return []
    live = collection.live(searcher.deleted)
    chosen = np.sort(rng.choice(live, min(limit, live), replace=False))
    ordinals = _nth_live(searcher, space, chosen)
    rng.shuffle(ordinals)
    return [item_of(collection, int(ordinal)) for ordinal in ordinals]


def _nth_live(searcher: Searcher, space: Space, places: np.ndarray) -> np.ndarray:
    """The ordinals at some places, ascending, among the images that are there."""
    mask = searcher.collection.mask(space, searcher.deleted)
    found, passed = [], 0
    for number, segment in enumerate(space.index.segments):
        allowed = mask.rows(number)
        count = segment.rows if allowed is None else int(np.count_nonzero(allowed))
        here = places[(places >= passed) & (places < passed + count)] - passed
        rows = here if allowed is None else np.flatnonzero(allowed)[here]
        found.append(segment.ordinals[rows])
        passed += count
    return np.concatenate(found)


def _alike(item: Item, score: float) -> Alike:
    return Alike(id=item.id, uri=item.uris[0] if item.uris else "", score=score)


def _read(cursor: str) -> tuple[int, int, int]:
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise InvalidInput("`cursor` is not the `next` of an answer; omit it.")
    number, first, shown = map(int, parts.groups())
    return number, first, shown
