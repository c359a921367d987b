"""Images that were deleted for good, whose stored files are still to be removed.

Noted in the transaction that deletes them; the files go after it, since a store may take minutes.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from services.indexer.catalog.bulk_sql import among, some_of
from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import images, removed_files, trash


def note_removed(db: Connection, ids: Sequence[str]) -> None:
    """Note that the files of images are to be removed, unless they are in the trash."""
    kept = {row.id for row in among(db, select(trash.c.id), trash.c.id, ids)}
    gone = [image_id for image_id in ids if image_id not in kept]
    _forget(db, gone)
    if gone:
        db.execute(insert(removed_files), [{"id": image_id} for image_id in gone])


class RemovedFiles:
    """Reads and shortens the list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, after: str, limit: int) -> list[str]:
        """Return the next ids of the list, in their order."""
        query = select(removed_files.c.id).where(removed_files.c.id > after)
        with self._database.read() as db:
            return list(db.execute(query.order_by(removed_files.c.id).limit(limit)).scalars())

    def any_of(self, ids: Sequence[str]) -> bool:
        """Return whether one of these images is on the list."""
        with self._database.read() as db:
            rows = among(db, select(removed_files.c.id), removed_files.c.id, ids)
            return next(iter(rows), None) is not None

    def needed(self, ids: Sequence[str]) -> set[str]:
        """Return those that are images again, or in the trash."""
        with self._database.read() as db:
            return {
                row.id
                for table in (images, trash)
                for row in among(db, select(table.c.id), table.c.id, ids)
            }

    def forget(self, ids: Sequence[str]) -> None:
        """Take images off the list."""
        with self._database.note() as db:
            _forget(db, ids)


def _forget(db: Connection, ids: Sequence[str]) -> None:
    for some in some_of(ids):
        db.execute(delete(removed_files).where(removed_files.c.id.in_(some)))
