"""Many rows at a time: each statement is a way to the server and back."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, bindparam, insert, update

from services.indexer.catalog.schema import images, locations, origins

# SQLite allows at most 32,766 values in one statement.
MANY = 10_000

# These update rows by parameters named `its_...`, so as not to clash with the columns.
DESCRIBE = update(images).where(images.c.ordinal == bindparam("its_ordinal"))
MOVE = update(locations).where(locations.c.path == bindparam("its_path"))
IDENTIFY = update(origins).where(origins.c.path == bindparam("its_path"))

T = TypeVar("T")


def some_of(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """The values in parts, each of which one statement takes."""
    return (values[start : start + MANY] for start in range(0, len(values), MANY))


def among(
    db: Connection, query: Select[Any], column: ColumnElement[Any], values: Sequence[Any]
) -> Iterator[Row[Any]]:
    """The rows of a query whose column has one of these values."""
    for batch in some_of(values):
        yield from db.execute(query.where(column.in_(batch)))


def add_rows(db: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        db.execute(insert(table), rows)
