"""All that the catalogue says of images, listed some at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from services.indexer.catalog.locations import is_address
from services.indexer.catalog.schema import images, locations, tags
from shared.contracts import annotations
from shared.contracts.facts import facts_of
from shared.contracts.features import ExportedPlace, ExportedRecord

_MANY = 10_000


def list_records(db: Connection, ordinals: NDArray[np.int64]) -> Iterator[ExportedRecord]:
    """Return the record of each of these images, in order, without values that JSON can't
    represent.
    """
    for start in range(0, len(ordinals), _MANY):
        batch = ordinals[start : start + _MANY].tolist()
        found = {
            row.ordinal: _record(row)
            for row in db.execute(select(images).where(images.c.ordinal.in_(batch)))
        }
        tagged = select(tags.c.ordinal, tags.c.tag).where(tags.c.ordinal.in_(batch))
        for ordinal, tag in db.execute(tagged.order_by(tags.c.key)):
            found[ordinal].tags.append(tag)
        placed = select(locations).where(locations.c.ordinal.in_(batch))
        for row in db.execute(placed.order_by(locations.c.uri, locations.c.path)):
            record = found[row.ordinal]
            if row.uri not in record.uris:
                record.uris.append(row.uri)
            if is_address(row.path):
                record.files.append(
                    ExportedPlace.model_construct(
                        path=row.path, uri=row.uri, mtime_ns=row.mtime_ns, bytes=row.bytes
                    )
                )
        yield from (found[ordinal] for ordinal in batch)


def _record(row: Row[Any]) -> ExportedRecord:
    metadata, notes = annotations.presentable(row.metadata)
    # Skip validation: earlier versions accepted more than today's.
    return ExportedRecord.model_construct(
        id=row.id,
        tags=[],
        uris=[],
        metadata=metadata,
        sha256=row.sha256,
        bytes=row.bytes,
        created_at=row.created_at,
        files=[],
        file=None if row.file is None else facts_of(row.file),
        notes=notes or None,
    )


def list_carriers(db: Connection, ordinals: NDArray[np.int64]) -> Iterator[tuple[str, str, str]]:
    """(key, tag, id) of every tag of these images, by key."""
    wanted = np.sort(ordinals)
    query = select(tags.c.key, tags.c.tag, tags.c.ordinal, images.c.id).join(
        images, images.c.ordinal == tags.c.ordinal
    )
    for rows in db.execute(query.order_by(tags.c.key, tags.c.ordinal)).partitions(_MANY):
        numbers = np.array([row.ordinal for row in rows], np.int64)
        for row, kept in zip(rows, np.isin(numbers, wanted), strict=True):
            if kept:
                yield row.key, row.tag, row.id
