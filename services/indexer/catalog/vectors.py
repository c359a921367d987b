"""Images that come as vectors: recorded many at a time, with what is said of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy import update as update_rows

from services.indexer.catalog.bulk_sql import add_rows, among
from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.fingerprints import check_together, fingerprints
from services.indexer.catalog.joining import differ, joined, over_bounds
from services.indexer.catalog.locations import is_address, touch
from services.indexer.catalog.schema import features, images, locations
from services.indexer.catalog.tagging import add_tags
from services.indexer.catalog.trash import forget_trashed
from shared.contracts.features import ExportedRecord
from shared.models.external import is_external

FeatureRow = tuple[int, int]
"""The shard of a vector, and its row there."""


class VectorTable:
    """Reads and adds images by their own ids."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def check(self, fingerprint: str) -> None:
        """Raises FingerprintMismatch where such vectors may not stand beside those there are."""
        with self.database.read() as db:
            check_together(db, fingerprint)

    def external(self) -> str | None:
        """The fingerprint of the vectors from outside that the collection holds, if it does."""
        with self.database.read() as db:
            return next(filter(is_external, fingerprints(db)), None)

    def stored(self, fingerprint: str, ids: Sequence[str]) -> dict[str, FeatureRow]:
        """Return the places of the vectors of these images; images without one are left out."""
        query = (
            select(images.c.id, features.c.shard, features.c.row)
            .join(features, features.c.ordinal == images.c.ordinal)
            .where(features.c.fingerprint == fingerprint)
        )
        with self.database.read() as db:
            return {row.id: (row.shard, row.row) for row in among(db, query, images.c.id, ids)}

    def over_bounds(self, records: Sequence[ExportedRecord]) -> dict[int, str]:
        """Return the records that are more than their images can hold, each with the reason."""
        with self.database.read() as db:
            return over_bounds(db, [(r.id, r.tags, r.metadata) for r in records])

    def record(
        self, fingerprint: str, records: Sequence[ExportedRecord], stored: Mapping[str, FeatureRow]
    ) -> None:
        """Adds images, or joins tags, uris and metadata to those there are; ids differ.

        `stored`: where the new vectors are, by id. Raises FingerprintMismatch.
        """
        ids = [record.id for record in records]
        with self.database.write() as db:
            check_together(db, fingerprint)
            change = next_revision(db)
            before = {
                row.id: row.metadata
                for row in among(db, select(images.c.id, images.c.metadata), images.c.id, ids)
            }
            add_rows(db, images, [_image(r, change) for r in records if r.id not in before])
            found = among(db, select(images.c.id, images.c.ordinal), images.c.id, ids)
            numbers = {row.id: row.ordinal for row in found}
            places = [
                {
                    "fingerprint": fingerprint,
                    "ordinal": numbers[image_id],
                    "shard": shard,
                    "row": row,
                    "revision": change,
                }
                for image_id, (shard, row) in stored.items()
            ]
            add_rows(db, features, places)
            changed = add_tags(db, [(numbers[r.id], r.tags) for r in records])
            changed |= _place(db, records, numbers)
            forget_trashed(db, ids)
            changed |= _describe(db, records, numbers, before)
            touch(db, changed & {numbers[image_id] for image_id in before}, change)


def _image(record: ExportedRecord, change: int) -> dict[str, Any]:
    return {
        "id": record.id,
        "sha256": record.sha256,
        "bytes": record.bytes,
        "metadata": record.metadata,
        "revision": change,
        "created_at": record.created_at or datetime.now(UTC).isoformat(timespec="seconds"),
        "file": _facts(record),
    }


def _facts(record: ExportedRecord) -> dict[str, Any] | None:
    if record.file is None:
        return None
    return record.file.model_dump(exclude_none=True, exclude={"bytes"})


def _place(
    db: Connection, records: Sequence[ExportedRecord], numbers: Mapping[str, int]
) -> set[int]:
    """Adds the uris and files that images lack; gives the images that lacked some.

    A path that the catalogue knows is of the image that it found there last.
    """
    wanted: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        ordinal = numbers[record.id]
        for file in record.files:
            wanted.setdefault((file.path, file.uri), _unread(file.path, file.uri, ordinal))
        for uri in record.uris:
            if uri not in {file.uri for file in record.files}:
                path = _nowhere(record.id)
                wanted[path, uri] = _unread(path, uri, ordinal)
    # Update the uris of the image's own path only; leave any other path unchanged.
    query = select(locations.c.path, locations.c.uri)
    paths = list({path for path, _ in wanted})
    there = {(row.path, row.uri) for row in among(db, query, locations.c.path, paths)}
    taken = {path for path, _ in there if is_address(path)}
    rows = [row for key, row in wanted.items() if key not in there and row["path"] not in taken]
    add_rows(db, locations, rows)
    return {row["ordinal"] for row in rows}


def _unread(path: str, uri: str, ordinal: int) -> dict[str, Any]:
    """Return a place without a stamp: no file is taken as read because others say so."""
    return {"path": path, "uri": uri, "mtime_ns": 0, "bytes": 0, "ordinal": ordinal}


def _describe(
    db: Connection,
    records: Sequence[ExportedRecord],
    numbers: Mapping[str, int],
    before: Mapping[str, Mapping[str, Any]],
) -> set[int]:
    """Joins metadata to that of images that were there; gives the images that it changed."""
    described = {
        numbers[r.id]: joined(before[r.id], r.metadata)
        for r in records
        if r.id in before and r.metadata
    }
    former = {numbers[image_id]: metadata for image_id, metadata in before.items()}
    rows: list[dict[str, Any]] = [
        {"at": n, "to": said} for n, said in described.items() if differ(said, former[n])
    ]
    if rows:
        where = images.c.ordinal == bindparam("at")
        db.execute(update_rows(images).where(where).values(metadata=bindparam("to")), rows)
    return {row["at"] for row in rows}


def _nowhere(image_id: str) -> str:
    """Return the path stored for uris of an image without a file; no real path is like it."""
    return f"uri:{sha256(image_id.encode()).hexdigest()}"
