"""Adds labels as tags to many images, each with its own; a token takes it back."""

from collections.abc import Sequence

from sqlalchemy import select

from services.indexer.catalog.bulk_sql import among
from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.locations import touch
from services.indexer.catalog.schema import images
from services.indexer.catalog.tagging import add_tags
from services.indexer.catalog.undo_log import noting


def give_tags(database: Database, given: Sequence[tuple[int, Sequence[str]]], token: str) -> int:
    """Add tags to images by number, beside those that they have; give how many lacked some.

    token: what takes the change back.
    """
    with database.write() as db:
        numbers = [ordinal for ordinal, _ in given]
        found = among(db, select(images.c.ordinal), images.c.ordinal, numbers)
        there = {row.ordinal for row in found}
        with noting(db, token, there):
            changed = add_tags(db, [one for one in given if one[0] in there])
            if changed:
                touch(db, changed, next_revision(db))
        return len(changed)
