"""Users' changes to images that a sync deleted, within the caller's transaction.

A file may be missing for a day only, and no source contains tags set by hand. So they are stored by
the image's id, a hash of its content, until the bytes return or a user deletes the image.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from services.indexer.catalog.bulk_sql import add_rows, among, some_of
from services.indexer.catalog.joining import joined
from services.indexer.catalog.locations import (
    Annotations,
    annotations_of,
    bounded,
    left_without_place,
    merged,
)
from services.indexer.catalog.schema import images, remembered, tags
from shared.contracts.annotations import metadata_fault
from shared.snapshots.items import tag_key

MOST = 1_000_000
"""Number of images whose changes are stored; those deleted first are forgotten first."""


def remember_placeless(db: Connection, before: Mapping[int, Annotations], change: int) -> None:
    """Store users' changes to images that have lost their last location.

    Call it before their tags follow their sources. `before`: what sources said while the images had
    locations.
    """
    placeless = left_without_place(db, before)
    rows = among(db, select(images.c.ordinal, images.c.id), images.c.id, placeless)
    remember(db, {row.ordinal: before[row.ordinal] for row in rows}, change)


def remember(db: Connection, source_annotations: Mapping[int, Annotations], change: int) -> None:
    """Store users' changes to tags and metadata of these images, and what sources said."""
    wanted = sorted(source_annotations)
    carried: dict[int, dict[str, str]] = {ordinal: {} for ordinal in wanted}
    for row in among(db, select(tags), tags.c.ordinal, wanted):
        carried[row.ordinal][row.key] = row.tag
    columns = select(images.c.ordinal, images.c.id, images.c.metadata)
    found = list(among(db, columns, images.c.ordinal, wanted))
    forget(db, [row.id for row in found])
    kept = [
        {
            "id": row.id,
            "tags": list(carried[row.ordinal].values()),
            "metadata": row.metadata,
            "said_tags": list(source_annotations[row.ordinal].tags.values()),
            "said_metadata": source_annotations[row.ordinal].metadata,
            "revision": change,
        }
        for row in found
        if (carried[row.ordinal].keys(), row.metadata)
        != (source_annotations[row.ordinal].tags.keys(), source_annotations[row.ordinal].metadata)
    ]
    add_rows(db, remembered, kept)
    if kept:
        _trim(db)


def recall(db: Connection, ordinals: Collection[int]) -> None:
    """Restore users' changes to images that are new again.

    Changes of the sources since then are applied; annotations of the present addition are merged.
    """
    ids = among(db, select(images.c.id), images.c.ordinal, sorted(ordinals))
    known = among(db, select(remembered), remembered.c.id, [row.id for row in ids])
    words = {row.id: row for row in known}
    if not words:
        return
    columns = select(images.c.ordinal, images.c.id, images.c.metadata)
    found = list(among(db, columns, images.c.id, list(words)))
    numbers = [row.ordinal for row in found]
    source_annotations = annotations_of(db, numbers)
    carried: dict[int, dict[str, str]] = {ordinal: {} for ordinal in numbers}
    for row in among(db, select(tags), tags.c.ordinal, numbers):
        carried[row.ordinal][row.key] = row.tag
    retagged: list[dict[str, Any]] = []
    described: list[dict[str, Any]] = []
    for row in found:
        was, now = words[row.id], source_annotations[row.ordinal]
        wanted = merged(_keyed(was.tags), _keyed(was.said_tags), now.tags)
        wanted = bounded(wanted | _beside(carried[row.ordinal], now.tags))
        metadata = merged(was.metadata, was.said_metadata, now.metadata)
        if metadata_fault(metadata) is not None:
            # Together they exceed what an image can hold, so the user's own metadata wins.
            metadata = was.metadata
        metadata = joined(metadata, _beside(row.metadata, now.metadata))
        retagged += [{"ordinal": row.ordinal, "key": k, "tag": t} for k, t in wanted.items()]
        described.append({"its_ordinal": row.ordinal, "said": metadata})
    for batch in some_of(numbers):
        db.execute(delete(tags).where(tags.c.ordinal.in_(batch)))
    add_rows(db, tags, retagged)
    where = images.c.ordinal == bindparam("its_ordinal")
    db.execute(update(images).where(where).values(metadata=bindparam("said")), described)
    forget(db, list(words))


def forget(db: Connection, ids: Sequence[str]) -> None:
    """Forget the stored changes of these images."""
    for batch in some_of(ids):
        db.execute(delete(remembered).where(remembered.c.id.in_(batch)))


def _trim(db: Connection) -> None:
    count = db.execute(select(func.count()).select_from(remembered)).scalar_one()
    if count > MOST:
        by_age = select(remembered.c.id).order_by(remembered.c.revision, remembered.c.id)
        forget(db, list(db.execute(by_age.limit(count - MOST)).scalars()))


def _keyed(texts: Iterable[str]) -> dict[str, str]:
    return {tag_key(text): text for text in texts}


def _beside(present: Mapping[str, Any], given_by_source: Mapping[str, Any]) -> dict[str, Any]:
    """Return annotations that no source gives, which came with an upload."""
    return {key: value for key, value in present.items() if given_by_source.get(key, ...) != value}
