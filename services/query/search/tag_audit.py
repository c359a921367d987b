"""Tags that look wrong, and pictures that look as if they lacked one.

A tag's pictures have a mean direction. A picture is suspicious that is less like the other pictures
of its tag than like those of another tag: how scattered a tag's pictures are cancels out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.query.search.hits import item_of
from services.query.search.searcher import Searcher
from services.query.search.space import Space
from shared.contracts.tag_audit import AuditedTag, AuditKind, TagAudit
from shared.core.budget import MIB, charge
from shared.maths.tag_trust import likeness, unit
from shared.snapshots.items import tag_key

Floats = NDArray[np.float64]
Vectors = NDArray[np.floating[Any]]

_LEAST_CARRIERS = 4
_MOST_TAGS, _MOST_PICTURES = 2_000, 20_000
_MOST_BYTES = 64 * MIB
"""Of the vectors that are compared: with longer ones, fewer pictures are looked at."""
_AT_ONCE = 1024
_TYPICAL = 0.25
"""A picture without a tag is compared with this quantile of its carriers."""
_NEVER = -9.0


@dataclass(frozen=True)
class Suspicion:
    """A tag by its number, the picture's row, and the number of the better tag, if any."""

    gain: float
    row: int
    tag: int
    rather: int | None


class _Tags:
    """Tags, which of the pictures carry each, and the direction of their pictures."""

    def __init__(self, searcher: Searcher, space: Space) -> None:
        collection, deleted = searcher.collection, searcher.deleted
        page = searcher.tags().page("", "", True, _MOST_TAGS, None)
        carriers = {tag.name: collection.carriers(tag.name, deleted) for tag in page.tags}
        self.names = [name for name, some in carriers.items() if len(some) >= _LEAST_CARRIERS]
        live = np.concatenate([s.ordinals for s in space.index.segments] or [np.empty(0, np.int64)])
        live = np.setdiff1d(live, deleted)
        most = min(_MOST_PICTURES, _MOST_BYTES // (4 * space.index.dim))
        step = -(-len(live) // most) or 1
        # Vectors once more as they are scaled, the tags of each, and a block of comparisons.
        looked_at = len(live[::step])
        charge(looked_at * (8 * space.index.dim + len(self.names)) + 24 * _AT_ONCE * _MOST_TAGS)
        self.ordinals, vectors = space.index.stored(live[::step])
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        self.vectors = vectors / np.where(lengths > 0, lengths, 1)
        self.carried = np.zeros((len(self.ordinals), len(self.names)), bool)
        for number, name in enumerate(self.names):
            self.carried[:, number] = np.isin(self.ordinals, carriers[name])
        enough = self.carried.sum(axis=0) >= _LEAST_CARRIERS
        self.names = [name for name, kept in zip(self.names, enough.tolist(), strict=True) if kept]
        self.carried = self.carried[:, enough]


def audit(searcher: Searcher, kind: AuditKind, limit: int) -> TagAudit:
    """Return the most suspicious tags. Empty where there are fewer than two tags to compare."""
    space = searcher.collection.visual
    if space is None:
        return TagAudit(found=[], tags=0, images=0)
    tags = _Tags(searcher, space)
    if len(tags.names) < 2:
        return TagAudit(found=[], tags=len(tags.names), images=len(tags.ordinals))
    suspicious = wrong_tags if kind is AuditKind.WRONG else missing_tags
    told = []
    for one in suspicious(tags.vectors, tags.carried, limit):
        item = item_of(searcher.collection, int(tags.ordinals[one.row]))
        key = tag_key(tags.names[one.tag])
        # As this picture has it written.
        tag = next((own for own in item.tags if tag_key(own) == key), tags.names[one.tag])
        told.append(
            AuditedTag(
                id=item.id,
                uri=item.uris[0] if item.uris else "",
                tag=tag,
                rather=None if one.rather is None else tags.names[one.rather],
                gain=one.gain,
            )
        )
    return TagAudit(found=told, tags=len(tags.names), images=len(tags.ordinals))


def wrong_tags(vectors: Vectors, carried: NDArray[np.bool_], limit: int) -> list[Suspicion]:
    """Return carried tags whose pictures are more like those of another tag.

    vectors: of length 1, (pictures, dim). carried: (pictures, tags).
    """
    means, own = _means(vectors, carried)
    best, rather = np.empty(len(vectors)), np.empty(len(vectors), np.int64)
    for rows in _blocks(len(vectors)):
        others = np.where(carried[rows], _NEVER, vectors[rows] @ means.T)
        best[rows], rather[rows] = others.max(axis=1), others.argmax(axis=1)
    found: list[Suspicion] = []
    for number, likenesses in enumerate(own):
        carriers = np.flatnonzero(carried[:, number])
        gains = best[carriers] - likenesses
        for place in np.argsort(-gains, kind="stable")[:limit].tolist():
            row = int(carriers[place])
            if gains[place] > 0:
                found.append(Suspicion(float(gains[place]), row, number, int(rather[row])))
    return _first(found, limit)


def missing_tags(vectors: Vectors, carried: NDArray[np.bool_], limit: int) -> list[Suspicion]:
    """Return tags that pictures lack though they are more like their carriers than these are."""
    means, own = _means(vectors, carried)
    typical = np.array([np.quantile(one, _TYPICAL) for one in own])
    found: list[Suspicion] = []
    for rows in _blocks(len(vectors)):
        gains = np.where(carried[rows], _NEVER, vectors[rows] @ means.T - typical)
        for place in np.argsort(-gains.ravel(), kind="stable")[:limit].tolist():
            row, number = divmod(place, carried.shape[1])
            if gains[row, number] > 0:
                found.append(Suspicion(float(gains[row, number]), rows.start + row, number, None))
        found = _first(found, limit)
    return found


def _first(found: list[Suspicion], limit: int) -> list[Suspicion]:
    return sorted(found, key=lambda one: (-one.gain, one.row, one.tag))[:limit]


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(count, start + _AT_ONCE)) for start in range(0, count, _AT_ONCE))


def _means(vectors: Vectors, carried: NDArray[np.bool_]) -> tuple[Vectors, list[Floats]]:
    """Return the direction of each tag's carriers, and the likeness of each to its others."""
    means, own = [], []
    for number in range(carried.shape[1]):
        some = vectors[carried[:, number]]
        own.append(likeness(some, some, np.ones(len(some), bool)))
        means.append(some.mean(axis=0))
    return unit(np.stack(means)), own
