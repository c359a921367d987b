"""Tags that look wrong, and pictures that look as if they lacked one.

A tag's pictures have a mean direction. A picture is suspicious that is less like the other pictures
of its tag than like those of another tag: how scattered a tag's pictures are cancels out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.query.search.hits import item_of
from services.query.search.searcher import Searcher
from services.query.search.space import Space
from shared.contracts.tag_audit import AuditedTag, AuditKind, TagAudit
from shared.maths.tag_trust import likeness, unit
from shared.snapshots.items import tag_key

Floats = NDArray[np.float64]

_LEAST_CARRIERS = 4
_MOST_TAGS, _MOST_PICTURES = 2_000, 20_000
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
        step = -(-len(live) // _MOST_PICTURES) or 1
        read = [(o, space.index.vector(o)) for o in live[::step].tolist()]
        known = [(ordinal, vector) for ordinal, vector in read if vector is not None]
        self.ordinals = np.array([ordinal for ordinal, _ in known], np.int64)
        self.vectors = unit(np.stack([v for _, v in known])) if known else np.empty((0, 1))
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


def wrong_tags(vectors: Floats, carried: NDArray[np.bool_], limit: int) -> list[Suspicion]:
    """Return carried tags whose pictures are more like those of another tag.

    vectors: of length 1, (pictures, dim). carried: (pictures, tags).
    """
    own, alike = _likenesses(vectors, carried)
    others = np.where(carried, _NEVER, alike)
    best, rather = others.max(axis=1), others.argmax(axis=1)
    found: list[Suspicion] = []
    for number, likenesses in enumerate(own):
        rows = np.flatnonzero(carried[:, number])
        gains = best[rows] - likenesses
        for place in np.argsort(-gains, kind="stable")[:limit].tolist():
            row = int(rows[place])
            if gains[place] > 0:
                found.append(Suspicion(float(gains[place]), row, number, int(rather[row])))
    return sorted(found, key=lambda one: (-one.gain, one.row))[:limit]


def missing_tags(vectors: Floats, carried: NDArray[np.bool_], limit: int) -> list[Suspicion]:
    """Return tags that pictures lack though they are more like their carriers than these are."""
    own, alike = _likenesses(vectors, carried)
    typical = np.array([np.quantile(one, _TYPICAL) for one in own])
    gains = np.where(carried, _NEVER, alike - typical)
    found: list[Suspicion] = []
    for place in np.argsort(-gains.ravel(), kind="stable")[:limit].tolist():
        row, number = divmod(place, carried.shape[1])
        if gains[row, number] > 0:
            found.append(Suspicion(float(gains[row, number]), row, number, None))
    return found


def _likenesses(vectors: Floats, carried: NDArray[np.bool_]) -> tuple[list[Floats], Floats]:
    """Return the likeness of each tag's carriers to its others, and of all pictures to each tag."""
    means, own = [], []
    for number in range(carried.shape[1]):
        some = vectors[carried[:, number]]
        own.append(likeness(some, some, np.ones(len(some), bool)))
        means.append(some.mean(axis=0))
    return own, vectors @ unit(np.stack(means)).T
