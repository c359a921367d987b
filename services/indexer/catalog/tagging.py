"""Adds tags to images, within the caller's transaction."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, select

from services.indexer.catalog.bulk_sql import add_rows, among
from services.indexer.catalog.schema import tags
from shared.contracts.annotations import MAX_TAGS
from shared.snapshots.items import tag_key


def add_tags(
    db: Connection, given: Iterable[tuple[int, Iterable[str]]], new: Collection[int] = ()
) -> set[int]:
    """Add tags that images lack, by ordinal; return the images that changed.

    The first spelling of a tag is kept. `new`: images without tags.
    """
    wanted: dict[tuple[int, str], str] = {}
    for ordinal, its_tags in given:
        for tag in its_tags:
            wanted.setdefault((ordinal, tag_key(tag)), tag)
    asked = list({ordinal for ordinal, _ in wanted}.difference(new))
    carried: Counter[int] = Counter()
    for row in among(db, select(tags.c.ordinal, tags.c.key), tags.c.ordinal, asked):
        wanted.pop((row.ordinal, row.key), None)
        carried[row.ordinal] += 1
    rows: list[dict[str, Any]] = []
    for (ordinal, key), tag in wanted.items():
        # Callers check `over_bounds` before; this covers changes made since then.
        if carried[ordinal] < MAX_TAGS:
            carried[ordinal] += 1
            rows.append({"ordinal": ordinal, "key": key, "tag": tag})
    add_rows(db, tags, rows)
    return {row["ordinal"] for row in rows}
