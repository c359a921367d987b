"""Locks among the threads of a process, and among all workers on a server."""

import logging
import threading
from typing import Self

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from services.indexer.catalog import lease_fence
from services.indexer.catalog.database import Database
from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.catalog.postgres import SPACE
from shared.core.errors import CatalogueAway

log = logging.getLogger(__name__)

_TURN, _PRESENT = 3, 4
_RETRY_S = 2


class PublishLock:
    """One holder at a time, as a `with` block that may be nested.

    The server holds it for a connection: it is released when the process ends, but not while the
    process hangs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.RLock()
        self._depth = 0
        self._session: Connection | None = None

    @property
    def is_shared(self) -> bool:
        """Return whether other processes may hold it too."""
        return self._database.is_shared

    def __enter__(self) -> Self:
        self._lock.acquire()
        try:
            if self._depth == 0 and self._database.is_shared:
                self._session = _locked(self._database, f"pg_advisory_lock({SPACE}, {_TURN})")
        except BaseException:
            self._lock.release()
            raise
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._session is not None:
            session, self._session = self._session, None
            _let_go(session)
        self._lock.release()

    def check(self) -> None:
        """Check the connection that holds the lock. Where the server has ended it, raise LeaseLost
        within a job, which others resume; else CatalogueAway.
        """
        if self._session is None:
            return
        try:
            self._session.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            if lease_fence.is_up():
                raise LeaseLost("turn") from error
            raise CatalogueAway(
                "The database ended the connection meanwhile. Try again.", retry_after=_RETRY_S
            ) from error

    def check_lease(self) -> None:
        """Raise LeaseLost if the job that this is of was given to another worker."""
        with self._database.note() as db:
            lease_fence.cross(db)


class WorkerPresence:
    """Presence of this worker, visible to workers that start.

    `is_first`: there was none before it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Connection | None = None
        self.is_first = not database.is_shared
        if database.is_shared:
            self._session = _connected(database)
            alone = text(f"SELECT pg_try_advisory_lock({SPACE}, {_PRESENT})")
            self.is_first = bool(self._session.execute(alone).scalar_one())
            if not self.is_first:
                # Blocks until the first worker has tidied up.
                _share(self._session)

    def admit(self) -> None:
        """The first worker has finished its exclusive work."""
        if self._session is not None and self.is_first:
            _share(self._session)
            self._session.execute(text(f"SELECT pg_advisory_unlock({SPACE}, {_PRESENT})"))

    def renew(self) -> None:
        """Announce this worker again if the server was restarted."""
        if self._session is None:
            return
        try:
            self._session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            # Or it was closed at an earlier beat, before the server was back.
            self._session.close()
            self._session = _connected(self._database)
            _share(self._session)

    def end(self) -> None:
        if self._session is not None:
            _let_go(self._session)


def _share(session: Connection) -> None:
    session.execute(text(f"SELECT pg_advisory_lock_shared({SPACE}, {_PRESENT})"))


def _connected(database: Database) -> Connection:
    with database.telling():
        # Autocommit, because an open transaction would hold back the server's vacuum.
        return database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _locked(database: Database, lock: str) -> Connection:
    session = _connected(database)
    try:
        with database.telling():
            session.execute(text(f"SELECT {lock}"))
    except BaseException:
        session.close()
        raise
    return session


def _let_go(session: Connection) -> None:
    """Close the connection, and so release its locks."""
    if not session.closed:
        session.invalidate()
    session.close()
