"""Images that come as vectors: recorded many at a time, with what is said of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, insert, select
from sqlalchemy import update as update_rows

from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.fingerprints import check_together, fingerprints
from services.indexer.catalog.schema import features, images, locations, tags
from shared.contracts.features import ExportedRecord
from shared.external import is_external
from shared.snapshots.items import tag_key

# SQLite takes at most 32,766 values in one statement.
_MANY = 10_000

Stored = tuple[int, int]
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

    def stored(self, fingerprint: str, ids: Sequence[str]) -> dict[str, Stored]:
        """Where the vectors of those of these images are that have one."""
        query = (
            select(images.c.id, features.c.shard, features.c.row)
            .join(features, features.c.ordinal == images.c.ordinal)
            .where(features.c.fingerprint == fingerprint)
        )
        with self.database.read() as db:
            return {row.id: (row.shard, row.row) for row in _among(db, query, images.c.id, ids)}

    def record(
        self, fingerprint: str, records: Sequence[ExportedRecord], stored: Mapping[str, Stored]
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
                for row in _among(db, select(images.c.id, images.c.metadata), images.c.id, ids)
            }
            _insert(db, images, [_image(r, change) for r in records if r.id not in before])
            found = _among(db, select(images.c.id, images.c.ordinal), images.c.id, ids)
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
            _insert(db, features, places)
            changed = _tag(db, records, numbers) | _place(db, records, numbers)
            changed |= _describe(db, records, numbers, before)
            known = sorted(changed & {numbers[image_id] for image_id in before})
            for some in _parts(known):
                rows = images.c.ordinal.in_(some)
                db.execute(update_rows(images).where(rows).values(revision=change))


def _image(record: ExportedRecord, change: int) -> dict[str, Any]:
    return {
        "id": record.id,
        "sha256": record.sha256,
        "bytes": record.bytes,
        "metadata": record.metadata,
        "revision": change,
        "created_at": record.created_at or datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _tag(db: Connection, records: Sequence[ExportedRecord], numbers: Mapping[str, int]) -> set[int]:
    """Adds the tags that images lack; gives the images that lacked some."""
    query = select(tags.c.ordinal, tags.c.key)
    tagged = [numbers[record.id] for record in records if record.tags]
    there = {(row.ordinal, row.key) for row in _among(db, query, tags.c.ordinal, tagged)}
    new = {
        (numbers[record.id], tag_key(tag)): tag for record in records for tag in record.tags[::-1]
    }
    rows: list[dict[str, Any]] = [
        {"ordinal": ordinal, "key": key, "tag": tag}
        for (ordinal, key), tag in new.items()
        if (ordinal, key) not in there
    ]
    _insert(db, tags, rows)
    return {row["ordinal"] for row in rows}


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
            wanted.setdefault((file.path, file.uri), {**file.model_dump(), "ordinal": ordinal})
        for uri in record.uris:
            if uri not in {file.uri for file in record.files}:
                path = _nowhere(record.id)
                place = {"path": path, "uri": uri, "mtime_ns": 0, "bytes": 0}
                wanted[path, uri] = place | {"ordinal": ordinal}
    # An image's own path has its uris; any other path, if it's there, is left as it is.
    query = select(locations.c.path, locations.c.uri)
    paths = list({path for path, _ in wanted})
    there = {(row.path, row.uri) for row in _among(db, query, locations.c.path, paths)}
    taken = {path for path, _ in there if path.startswith("/")}
    rows = [row for key, row in wanted.items() if key not in there and row["path"] not in taken]
    _insert(db, locations, rows)
    return {row["ordinal"] for row in rows}


def _describe(
    db: Connection,
    records: Sequence[ExportedRecord],
    numbers: Mapping[str, int],
    before: Mapping[str, Mapping[str, Any]],
) -> set[int]:
    """Joins metadata to that of images that were there; gives the images that it changed."""
    joined = {
        numbers[r.id]: {**before[r.id], **r.metadata}
        for r in records
        if r.id in before and r.metadata
    }
    former = {numbers[image_id]: metadata for image_id, metadata in before.items()}
    rows: list[dict[str, Any]] = [
        {"at": n, "to": said} for n, said in joined.items() if said != former[n]
    ]
    if rows:
        where = images.c.ordinal == bindparam("at")
        db.execute(update_rows(images).where(where).values(metadata=bindparam("to")), rows)
    return {row["at"] for row in rows}


def _nowhere(image_id: str) -> str:
    """In the place of a path, for uris of an image that has no file: no path is like it."""
    return f"uri:{sha256(image_id.encode()).hexdigest()}"


def _insert(db: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        db.execute(insert(table), rows)


def _among(
    db: Connection, query: Select[Any], column: ColumnElement[Any], values: Sequence[Any]
) -> Iterator[Row[Any]]:
    for some in _parts(values):
        yield from db.execute(query.where(column.in_(some)))


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + _MANY] for start in range(0, len(values), _MANY))
