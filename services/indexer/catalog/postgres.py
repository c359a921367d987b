"""PostgreSQL as the catalogue: several workers on several machines share it."""

from sqlalchemy import Connection, Engine, Float, create_engine, literal_column, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from services.indexer.catalog import json_text
from shared.core.errors import CatalogueAway, InvalidInput, ISEError, StorageFull

_CHANGES, _TAKING = 1, 2
SPACE = 0x15E
"""First number of all advisory locks here; the second one identifies the lock."""
_CONNECT_S = 5
_STILL = "60s"
# In addition to the pool's five; if the server allows fewer, calls wait for each other.
_MORE_CONNECTIONS = 20
# If a worker's machine disappears, the server closes its connection and so releases its locks.
_KEEPALIVE = {"tcp_keepalives_idle": 15, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
# If the server's machine disappears, reconnect: its standby may answer at the same name.
_CLIENT = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_DISK_FULL = "53100"
_RETRY_S = 5


class Postgres:
    """A server. One transaction at a time changes images, whichever worker's it is, so that
    revisions are committed in their order."""

    is_shared = True
    now: ColumnElement[float] = literal_column(
        "extract(epoch from clock_timestamp())::float8", Float
    )

    def __init__(self, url: URL) -> None:
        kept = {name: value for name, value in _CLIENT.items() if name not in url.query}
        given = {} if "options" in url.query else {"options": _options()}
        self.engine = create_engine(
            url,
            json_serializer=json_text.write,
            json_deserializer=json_text.read,
            max_overflow=_MORE_CONNECTIONS,
            connect_args={"connect_timeout": _CONNECT_S, **kept, **given},
        )
        # Repeatable read, so that a reader sees one moment, as with SQLite.
        self.reading: Engine = self.engine.execution_options(isolation_level="REPEATABLE READ")

    def begin_change(self, db: Connection) -> None:
        db.execute(text(f"SELECT pg_advisory_xact_lock({SPACE}, {_CHANGES}), {_limit()}"))

    def begin_note(self, db: Connection) -> None:
        db.execute(text(f"SELECT {_limit()}"))

    def begin_taking(self, db: Connection) -> None:
        """Let one worker at a time look for a job, so that no two start one."""
        db.execute(text(f"SELECT pg_advisory_xact_lock({SPACE}, {_TAKING})"))

    def newest_ordinal(self, db: Connection) -> int:
        query = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_sequence(db)}"  # noqa: S608
        return int(db.exec_driver_sql(query).scalar_one())

    def use_up_ordinals(self, db: Connection, newest: int) -> None:
        if newest:
            db.execute(text("SELECT setval(:name, :to)"), {"name": _sequence(db), "to": newest})

    def translated(self, error: DBAPIError) -> ISEError | None:
        if getattr(error.orig, "sqlstate", None) == _DISK_FULL:
            return StorageFull(
                "The disk of the database is full. Nothing was lost; free some space, "
                "then try again."
            )
        if type(error.orig).__name__ == "DataError" and "NUL" in str(error.orig):
            return InvalidInput("The database keeps no text with a NUL character: leave it out.")
        if error.connection_invalidated or _is_away(error):
            return CatalogueAway(
                f"The database {self.engine.url} can't be reached: {reason(error)}. Is it up? "
                "ISE_DATABASE_URL names it.",
                retry_after=_RETRY_S,
            )
        return None


def _limit() -> str:
    """A worker that stands still within a transaction is shut out, so that others need not wait
    for the rows and locks that it holds."""
    return f"set_config('idle_in_transaction_session_timeout', '{_STILL}', true)"


def reason(error: DBAPIError) -> str:
    """Return the first line of the driver's message, which contains no password."""
    return str(error.orig).strip().splitlines()[0].rstrip(".") if error.orig else str(error)


def _is_away(error: DBAPIError) -> bool:
    """Return whether the server is away: without a connection the driver's error has no code of the
    server's; or the server says that it ends or starts (class 57P).
    """
    code = getattr(error.orig, "sqlstate", None)
    name = type(error.orig).__name__
    return name != "ProgrammingError" and (
        (code is None and name in ("OperationalError", "ConnectionTimeout"))
        or (code or "").startswith(("57P", "08", "53300"))
    )


def _sequence(db: Connection) -> str:
    return str(db.execute(text("SELECT pg_get_serial_sequence('images', 'ordinal')")).scalar_one())


def _options() -> str:
    return " ".join(f"-c {name}={value}" for name, value in _KEEPALIVE.items())
