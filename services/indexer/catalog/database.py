"""The connection to the catalogue: many readers, one writer at a time."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, delete, insert, inspect, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError

from services.indexer.catalog import lease_fence, migrations, schema
from services.indexer.catalog.postgres import Postgres
from services.indexer.catalog.sqlite import SQLite
from shared.core import failpoints
from shared.core.errors import Misconfigured

log = logging.getLogger(__name__)

_REVISION = "revision"
_VERSION = "version"


class Database:
    """This project's tables, in SQLite or in PostgreSQL.

    `is_shared`: whether several workers may be on it at once.
    """

    def __init__(self, url: str, migrate: bool = True) -> None:
        """Create the tables if there are none; `migrate`: upgrade older ones.

        Raises Misconfigured if it can't be opened, or a newer version wrote it.
        """
        self.kind = _kind(url)
        self.engine = self.kind.engine
        self.is_shared = self.kind.is_shared
        self._writing = threading.Lock()
        try:
            with self.write() as connection:
                _bring_up_to_date(connection, migrate)
        except DatabaseError as error:
            raise Misconfigured(
                f"The catalogue {self.name} can't be opened: {error.orig}. Look at "
                "ISE_DATA_DIR and ISE_DATABASE_URL."
            ) from error

    @property
    def name(self) -> str:
        """URL of the database, without the password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A view of one moment: all that is read in the block belongs together.

        Raises CatalogueAway.
        """
        with self.telling(), self.kind.reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Context manager of one write transaction, durable at the end of the block, undone if it
        raises.

        One at a time among all workers. Raises StorageFull, CatalogueAway, and LeaseLost if another
        worker took over the work of this one.
        """
        with self.telling():
            with self._writing, self.engine.begin() as connection:
                failpoints.reach("catalogue.begin")
                self.kind.begin_change(connection)
                lease_fence.cross(connection)
                yield connection
                failpoints.reach("catalogue.commit")
            failpoints.reach("catalogue.committed")

    @contextmanager
    def note(self) -> Iterator[Connection]:
        """Context manager of a transaction that changes no image, so it needn't wait for those that
        do.
        """
        turn = nullcontext() if self.is_shared else self._writing
        with self.telling(), turn, self.engine.begin() as connection:
            failpoints.reach("catalogue.begin")
            self.kind.begin_note(connection)
            yield connection
            failpoints.reach("catalogue.commit")
        failpoints.reach("catalogue.committed")

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Translate the driver's errors that are not bugs to errors of this project."""
        try:
            yield
        except DBAPIError as error:
            translated = self.kind.translated(error)
            if translated is None:
                raise
            raise translated from error


_KINDS: dict[str, type[SQLite] | type[Postgres]] = {"sqlite": SQLite, "postgresql": Postgres}


def is_shared(url: str) -> bool:
    """Return whether several workers may use such a catalogue at once. Raises Misconfigured."""
    return _KINDS[_parsed(url).get_backend_name()].is_shared


def _kind(url: str) -> SQLite | Postgres:
    """Raises Misconfigured."""
    parsed = _parsed(url)
    try:
        return _KINDS[parsed.get_backend_name()](parsed)
    except ArgumentError as error:
        raise Misconfigured(f"ISE_DATABASE_URL can't be used: {error}.") from None
    except ImportError as error:
        raise Misconfigured(
            f"ISE_DATABASE_URL needs a package that isn't installed ({error.name}): "
            "`pip install 'image-search-engine[postgres]'`."
        ) from None


def _parsed(url: str) -> URL:
    """Raises Misconfigured."""
    example = "postgresql+psycopg://user:password@host/database"
    try:
        parsed = make_url(url)
    except ArgumentError:
        # SQLAlchemy's message may contain the password.
        raise Misconfigured(f"ISE_DATABASE_URL is no URL; one looks like {example}.") from None
    if (name := parsed.get_backend_name()) not in _KINDS:
        raise Misconfigured(
            f"ISE_DATABASE_URL names {name}; the catalogue can be in SQLite or PostgreSQL "
            f"({example})."
        )
    return parsed


def version_of(url: str) -> int | None:
    """Return the version of an existing catalogue; None if it has no tables yet.

    Raises Misconfigured if it can't be read. Nothing is written.
    """
    kind = _kind(url)
    try:
        with kind.engine.connect() as connection:
            return _version(connection)
    except DatabaseError as error:
        if translated := kind.translated(error):
            raise Misconfigured(translated.detail) from error
        raise Misconfigured(
            f"The catalogue can't be read: {error.orig or error}. Look at "
            "ISE_DATA_DIR and ISE_DATABASE_URL, or restore a backup (`ise restore`)."
        ) from error
    finally:
        kind.engine.dispose()


def _bring_up_to_date(connection: Connection, migrate: bool) -> None:
    """Makes or migrates the tables. Raises Misconfigured for those too new, or too old."""
    version = _version(connection)
    if version is None:
        schema.metadata.create_all(connection)
        fresh = {_REVISION: 0, _VERSION: schema.VERSION}
        connection.execute(
            insert(schema.counters),
            [{"name": name, "value": value} for name, value in fresh.items()],
        )
    elif version > schema.VERSION:
        raise Misconfigured(
            f"The catalogue {connection.engine.url.render_as_string()} has version {version}, "
            f"written by a newer program; this one knows versions up to {schema.VERSION}. Use "
            "the newer program, or restore a backup that this one made (`ise restore`) to a new "
            "ISE_DATA_DIR."
        )
    elif version < migrations.OLDEST:
        raise Misconfigured(
            f"The catalogue {connection.engine.url.render_as_string()} has version {version}; this "
            f"program reads versions from {migrations.OLDEST} on. Start the program of commit "
            "d581658 on it once, or set ISE_DATA_DIR to a new folder and ingest the pictures again."
        )
    elif version < schema.VERSION and migrate:
        migrations.migrate(connection, version)
        is_version = schema.counters.c.name == _VERSION
        connection.execute(delete(schema.counters).where(is_version))
        connection.execute(insert(schema.counters).values(name=_VERSION, value=schema.VERSION))
        log.info("migrated the catalogue from version %d to %d", version, schema.VERSION)


def _version(connection: Connection) -> int | None:
    """Return the version of the tables; None if there are none."""
    if not inspect(connection).has_table(schema.counters.name):
        return None
    rows = connection.execute(select(schema.counters.c.name, schema.counters.c.value))
    found = {row.name: int(row.value) for row in rows}
    # The first versions did not store their number.
    return found.get(_VERSION, 0) if found else None


def revision(connection: Connection) -> int:
    """The number of the last change."""
    value: int = connection.execute(
        select(schema.counters.c.value).where(schema.counters.c.name == _REVISION)
    ).scalar_one()
    return value


def next_revision(connection: Connection) -> int:
    """Return the number of the next change, within a write."""
    connection.execute(
        update(schema.counters)
        .where(schema.counters.c.name == _REVISION)
        .values(value=schema.counters.c.value + 1)
    )
    return revision(connection)
