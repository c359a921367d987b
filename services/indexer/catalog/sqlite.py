"""SQLite as the catalogue: a file, which one process writes."""

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, Float, create_engine, event, literal_column
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from services.indexer.catalog import json_text
from shared.core.errors import ISEError, StorageFull

# Julian days to seconds since 1970.
_NOW = "(julianday('now') - 2440587.5) * 86400.0"


class SQLite:
    """SQLite in WAL mode, so that reads continue during a write, and synced at each commit, so that
    acknowledged changes survive a power failure.
    """

    is_shared = False
    now: ColumnElement[float] = literal_column(_NOW, Float)

    def __init__(self, url: URL) -> None:
        self.engine = create_engine(url, json_deserializer=json_text.read)
        self.reading: Engine = self.engine
        event.listen(self.engine, "connect", _configure)
        event.listen(self.engine, "begin", _begin)

    def begin_change(self, db: Connection) -> None:
        """Nothing: a process has one writer, and SQLite sees to it that no other has."""

    begin_note = begin_taking = begin_change

    def newest_ordinal(self, db: Connection) -> int:
        """Return the largest ordinal ever assigned; 0 if there was none."""
        kept = "SELECT seq FROM sqlite_sequence WHERE name = 'images'"
        return int(db.exec_driver_sql(kept).scalar() or 0)

    def use_up_ordinals(self, db: Connection, newest: int) -> None:
        """Numbers up to `newest` are not given any more."""
        db.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'images'")
        db.exec_driver_sql("INSERT INTO sqlite_sequence VALUES ('images', ?)", (newest,))

    def translated(self, error: DBAPIError) -> ISEError | None:
        """Translate an error of the environment, such as a full disk; None for others."""
        if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
            return None
        return StorageFull(
            "The disk of the catalogue is full. Nothing was lost; free some space, then try again."
        )


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _configure(connection: sqlite3.Connection, _: Any) -> None:
    # The driver begins a transaction only at the first write; begin it at the first read instead,
    # so that readers see one moment.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
    ):
        connection.execute(f"PRAGMA {pragma}")
