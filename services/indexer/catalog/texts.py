"""Texts of images in the catalogue: the words that were read in each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select

from services.indexer.catalog.database import Database, next_revision, revision
from services.indexer.catalog.schema import images, locations, texts
from shared.snapshots.texts import ReadText

_MANY = 1000


class Texts:
    """Reads and sets the words of images. An image without words has an empty list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lacking(self, reader: str | None) -> Iterator[list[tuple[int, str]]]:
        """Give the ordinals and ids of images with a file that were not read, some at a time.

        reader: those that this reader did not read; None: those that none did.
        """
        last = -1
        while True:
            with self._database.read() as db:
                query = self._lacking(reader).where(images.c.ordinal > last)
                rows = db.execute(query.order_by(images.c.ordinal).limit(_MANY)).all()
            if not rows:
                return
            last = rows[-1].ordinal
            yield [(row.ordinal, row.id) for row in rows]

    def count_lacking(self, reader: str | None) -> int:
        with self._database.read() as db:
            query = select(func.count()).select_from(self._lacking(reader).subquery())
            return int(db.execute(query).scalar_one())

    def has_lacking(self) -> bool:
        """Tell whether an image was not read yet."""
        with self._database.read() as db:
            return db.execute(self._lacking(None).limit(1)).first() is not None

    def put(self, found: Mapping[int, Sequence[Sequence[object]]], reader: str) -> None:
        """Set the words of images, by ordinal; those that are gone by now are left out."""
        if not found:
            return
        with self._database.write() as db:
            there = db.execute(select(images.c.ordinal).where(images.c.ordinal.in_(list(found))))
            kept = [row.ordinal for row in there]
            if not kept:
                return
            number = next_revision(db)
            db.execute(delete(texts).where(texts.c.ordinal.in_(kept)))
            db.execute(
                insert(texts),
                [
                    {
                        "ordinal": one,
                        "reader": reader,
                        "words": list(found[one]),
                        "revision": number,
                    }
                    for one in kept
                ],
            )

    def since(self, former: int) -> tuple[list[ReadText], int]:
        """Return the texts that were read after a revision, and the revision that they go up to."""
        with self._database.read() as db:
            rows = db.execute(
                select(texts.c.ordinal, texts.c.words).where(texts.c.revision > former)
            )
            return [ReadText(row.ordinal, row.words) for row in rows], revision(db)

    @staticmethod
    def _lacking(reader: str | None) -> Any:
        placed = select(locations.c.ordinal).where(locations.c.ordinal == images.c.ordinal)
        done = select(texts.c.ordinal).where(texts.c.ordinal == images.c.ordinal)
        if reader is not None:
            done = done.where(texts.c.reader == reader)
        query = select(images.c.ordinal, images.c.id)
        return query.where(placed.exists()).where(~done.exists())
