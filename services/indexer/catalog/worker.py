"""Identity of this process as a worker, and the leases by which it takes a job or a part."""

import os
import socket
import uuid
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Table, or_, true

from services.indexer.catalog.database import Database


def _name() -> str:
    # A restarted process is a new worker, which resumes the work of the old one from the catalogue.
    return f"{socket.gethostname()[:60]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Worker:
    """An indexer using a catalogue. It holds work for `lease_s`, unless renewed."""

    database: Database
    lease_s: float = 30.0
    name: str = field(default_factory=_name)

    def lease(self) -> dict[str, Any]:
        """Columns of a lease, when work is taken or resumed."""
        return {"worker": self.name, "leased_until": self.database.kind.now + self.lease_s}

    def has(self, table: Table) -> ColumnElement[bool]:
        """Rows that this worker has in hand."""
        return table.c.worker == self.name

    def may_take(self, table: Table) -> ColumnElement[bool]:
        """Running rows that no worker is processing; used while this worker has none."""
        if not self.database.is_shared:
            # Only one worker can use this database, so any former holder has ended.
            return true()
        return or_(self.has(table), self.is_over(table))

    def is_over(self, table: Table) -> ColumnElement[bool]:
        """Rows whose lease has expired."""
        until = table.c.leased_until
        return or_(until.is_(None), until < self.database.kind.now)


NOBODY: dict[str, Any] = {"worker": None, "leased_until": None}
