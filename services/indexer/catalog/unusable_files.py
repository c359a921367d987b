"""Files whose pictures can't be read, so that no sync reads the same ones in vain each time."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from services.indexer.catalog.bulk_sql import add_rows, among, some_of
from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import unusable_files
from shared.objects.file import Stamp

_KEPT_S = 90 * 86_400
"""After this time a file is tried again, and one that is gone is forgotten."""


@dataclass(frozen=True)
class UnusableFile:
    """A file that was read, and why nothing came of it. sha256: "" for one that is read in parts.

    stamp: None for a file that has none, which only its content tells.
    """

    path: str
    stamp: Stamp | None
    sha256: str
    reason: str


class UnusableFiles:
    """Reads and adds what is known of them. What one reader can't read, another one may."""

    def __init__(self, database: Database, reader: str) -> None:
        """reader: whatever decides which files can be read: versions and limits; "": unknown."""
        self._database = database
        self._reader = reader

    def at(self, paths: Sequence[str]) -> dict[str, UnusableFile]:
        """Return what is known of the files at some paths, as they were then."""
        if not self._reader:
            return {}
        table = unusable_files.c
        query = select(unusable_files).where(table.reader == self._reader)
        with self._database.read() as db:
            return {
                row.path: UnusableFile(
                    row.path,
                    Stamp(row.mtime_ns, row.bytes, row.inode, row.ctime_ns),
                    row.sha256,
                    row.reason,
                )
                for row in among(db, query, table.path, paths)
            }

    def by_content(self, digests: Sequence[str]) -> dict[str, str]:
        """Return why files with this content can't be read, by SHA-256."""
        if not self._reader or not digests:
            return {}
        table = unusable_files.c
        query = select(table.sha256, table.reason).where(table.reader == self._reader)
        with self._database.read() as db:
            return {row.sha256: row.reason for row in among(db, query, table.sha256, digests)}

    def put(self, files: Sequence[UnusableFile]) -> None:
        """Remember files, in the stead of what was known of those at their paths."""
        if not self._reader or not files:
            return
        now, rows = time.time(), {}
        for one in files:
            stamp = one.stamp or Stamp(0, -1)
            rows[one.path] = {
                "path": one.path,
                "mtime_ns": stamp.mtime_ns,
                "bytes": stamp.bytes,
                "inode": stamp.inode,
                "ctime_ns": stamp.ctime_ns,
                "sha256": one.sha256,
                "reason": one.reason,
                "reader": self._reader,
                "since": now,
            }
        with self._database.note() as db:
            db.execute(delete(unusable_files).where(unusable_files.c.since < now - _KEPT_S))
            for some in some_of(list(rows)):
                db.execute(delete(unusable_files).where(unusable_files.c.path.in_(some)))
            add_rows(db, unusable_files, list(rows.values()))


def known_reason(known: Mapping[str, UnusableFile], path: str, stamp: Stamp) -> str | None:
    """Return why a file can't be read, if it is as it was when that was found."""
    found = known.get(path)
    return found.reason if found is not None and found.stamp == stamp else None
