"""Copies a catalogue to another database: to back it up, to restore it, or to move it."""

from sqlalchemy import delete, insert, select

from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import metadata, parts

_ROWS = 10_000


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
            rows = there.execute(select(table).execution_options(yield_per=_ROWS))
            for batch in rows.mappings().partitions(_ROWS):
                here.execute(insert(table), [dict(row) for row in batch])
        newest = source.kind.newest_ordinal(there)
        target.kind.use_up_ordinals(here, newest)
