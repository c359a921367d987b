"""The connection to the catalogue: many readers, one writer at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, event, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError

from services.indexer.catalog import schema
from shared import failpoints
from shared.errors import Misconfigured, StorageFull

_REVISION = "revision"
_VERSION = "version"


class Database:
    """An SQLAlchemy engine with this project's tables.

    SQLite runs in WAL mode, so that reading goes on while a job writes, and syncs at each commit,
    so that what was acknowledged survives a power cut.
    """

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        self._writing = threading.Lock()
        if make_url(url).get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        try:
            schema.metadata.create_all(self.engine)
            # Tables that were there may lack an index that came later.
            for table in schema.metadata.tables.values():
                for index in table.indexes:
                    index.create(self.engine, checkfirst=True)
            with self.write() as connection:
                _check_version(connection)
        except DatabaseError as error:
            raise Misconfigured(
                f"The catalogue {self.engine.url} can't be opened: {error.orig}. Look at "
                "ISE_DATA_DIR and ISE_DATABASE_URL."
            ) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A view of one moment: all that is read in the block belongs together."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction; durable when the block ends, undone when it raises.

        Raises StorageFull where the disk is.
        """
        try:
            with self._writing, self.engine.begin() as connection:
                failpoints.reach("catalogue.begin")
                yield connection
                failpoints.reach("catalogue.commit")
            failpoints.reach("catalogue.committed")
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
                raise
            raise StorageFull(
                "The disk that has the catalogue is full. Nothing was lost; free space, then try "
                "again."
            ) from error

    def close(self) -> None:
        self.engine.dispose()


def _check_version(connection: Connection) -> None:
    """Notes the tables' version in a new catalogue. Raises Misconfigured for another one's."""
    counters = schema.counters
    rows = connection.execute(select(counters.c.name, counters.c.value))
    found = {row.name: row.value for row in rows}
    if not found:
        fresh = {_REVISION: 0, _VERSION: schema.VERSION}
        connection.execute(
            insert(counters), [{"name": name, "value": value} for name, value in fresh.items()]
        )
    elif found.get(_VERSION) != schema.VERSION:
        raise Misconfigured(
            f"The catalogue {connection.engine.url} has version {found.get(_VERSION)}, this "
            f"program has {schema.VERSION}. Use the program it was made with, or name an empty "
            "folder in ISE_DATA_DIR."
        )


def revision(connection: Connection) -> int:
    """The number of the last change."""
    value: int = connection.execute(
        select(schema.counters.c.value).where(schema.counters.c.name == _REVISION)
    ).scalar_one()
    return value


def next_revision(connection: Connection) -> int:
    """Takes the number of the next change, within a write."""
    connection.execute(
        update(schema.counters)
        .where(schema.counters.c.name == _REVISION)
        .values(value=schema.counters.c.value + 1)
    )
    return revision(connection)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _configure_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    # The driver's own transactions begin at the first write only; ours are a view of one moment.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
    ):
        connection.execute(f"PRAGMA {pragma}")
