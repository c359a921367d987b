"""Copies a catalogue to another database: to back it up, to restore it, or to move it."""

from sqlalchemy import delete, insert, select

from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import frames, metadata, parts

_ROWS = 10_000
_LARGE_ROWS = 200
"""Of a table whose rows have features."""


def copy(source: Database, target: Database) -> None:
    """Replace all rows by those of another catalogue as of one moment, in one transaction.

    Parts are not copied: their job is divided again.
    """
    tables = [table for table in metadata.sorted_tables if table is not parts]
    with source.read() as there, target.write() as here:
        for table in reversed(tables):
            here.execute(delete(table))
        for table in tables:
            # In batches, because a large table doesn't fit into memory.
            some = _LARGE_ROWS if table is frames else _ROWS
            rows = there.execute(select(table).execution_options(yield_per=some))
            for batch in rows.mappings().partitions(some):
                here.execute(insert(table), [dict(row) for row in batch])
        newest = source.kind.newest_ordinal(there)
        target.kind.use_up_ordinals(here, newest)
