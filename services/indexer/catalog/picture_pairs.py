"""Perceptual hashes of pictures, and pairs of them that were compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, insert, select, update

from services.indexer.catalog.bulk_sql import add_rows, among
from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import images, locations, picture_hashes, picture_pairs, tags

_MANY = 1000


@dataclass(frozen=True)
class PairRow:
    """A pair, first < second; numbers: the evidence, then how much each covers of the other."""

    first: int
    second: int
    exact: bool
    numbers: list[float]


@dataclass(frozen=True)
class PictureRow:
    """Facts of a picture by which one of a pair is kept, and which are shown of it."""

    ordinal: int
    id: str
    bytes: int
    file: dict[str, Any]
    metadata: dict[str, Any]


class PairTable:
    """Reads and sets what was compared. Whatever concerns a deleted image goes with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lacking(self, version: int) -> Iterator[list[tuple[int, str]]]:
        """Give the ordinals and ids of images with a file and no hash, some at a time."""
        last = -1
        while True:
            query = self._lacking(version).where(images.c.ordinal > last)
            with self._database.read() as db:
                rows = db.execute(query.order_by(images.c.ordinal).limit(_MANY)).all()
            if not rows:
                return
            last = rows[-1].ordinal
            yield [(row.ordinal, row.id) for row in rows]

    def count_lacking(self, version: int) -> int:
        """Return the number of images with a file that have no hash."""
        query = select(func.count()).select_from(self._lacking(version).subquery())
        with self._database.read() as db:
            return int(db.execute(query).scalar_one())

    def put_hashes(self, found: Mapping[int, bytes], version: int) -> None:
        """Set the hashes of images; those that are gone by now are left out. No bytes: the
        picture can't be read."""
        with self._database.note() as db:
            there = {
                row.ordinal
                for row in among(db, select(images.c.ordinal), images.c.ordinal, list(found))
            }
            kept = [one for one in found if one in there]
            db.execute(delete(picture_hashes).where(picture_hashes.c.ordinal.in_(kept)))
            # They are compared anew.
            for column in (picture_pairs.c.first, picture_pairs.c.second):
                db.execute(delete(picture_pairs).where(column.in_(kept)))
            rows = [
                {"ordinal": one, "version": version, "hash": found[one].hex(), "compared": None}
                for one in kept
            ]
            add_rows(db, picture_hashes, rows)

    def hashes(self, version: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """Return the ordinals that have a hash, ascending, and their hashes."""
        query = select(picture_hashes.c.ordinal, picture_hashes.c.hash)
        query = query.where(picture_hashes.c.version == version, picture_hashes.c.hash != "")
        with self._database.read() as db:
            rows = db.execute(query.order_by(picture_hashes.c.ordinal)).all()
        ordinals = np.array([row.ordinal for row in rows], np.int64)
        content = b"".join(bytes.fromhex(row.hash) for row in rows)
        return ordinals, np.frombuffer(content, np.int8).reshape(len(rows), -1 if rows else 0)

    def waiting(self, version: int) -> list[int]:
        """Return the ordinals of images with a hash that were not compared, ascending."""
        query = select(picture_hashes.c.ordinal).where(
            picture_hashes.c.version == version,
            picture_hashes.c.hash != "",
            picture_hashes.c.compared.is_(None),
        )
        with self._database.read() as db:
            return list(db.execute(query.order_by(picture_hashes.c.ordinal)).scalars())

    def put(self, compared: Mapping[int, int], pairs: Sequence[PairRow]) -> None:
        """Record pairs, and that images were compared with so many others, in one step."""
        with self._database.note() as db:
            numbers = {*compared, *(n for pair in pairs for n in (pair.first, pair.second))}
            query = select(images.c.ordinal)
            there = {row.ordinal for row in among(db, query, images.c.ordinal, sorted(numbers))}
            for pair in pairs:
                same = picture_pairs.c.first == pair.first, picture_pairs.c.second == pair.second
                db.execute(delete(picture_pairs).where(*same))
                if {pair.first, pair.second} <= there:
                    db.execute(insert(picture_pairs).values(**vars(pair)))
            for ordinal, count in compared.items():
                mine = picture_hashes.c.ordinal == ordinal
                db.execute(update(picture_hashes).where(mine).values(compared=count))

    def pairs(self, version: int) -> list[PairRow]:
        """Return all pairs that were worth keeping, of images with hashes of that version."""
        table = picture_pairs.c
        query = select(picture_pairs).order_by(table.first, table.second)
        for ordinal in (table.first, table.second):
            done = picture_hashes.alias()
            query = query.join(done, (done.c.ordinal == ordinal) & (done.c.version == version))
        with self._database.read() as db:
            return [
                PairRow(row.first, row.second, row.exact, row.numbers) for row in db.execute(query)
            ]

    def counts(self, version: int) -> tuple[int, int, int]:
        """Return the number of images that were compared, of pairs, and of images to come."""
        table = picture_hashes.c
        query = select(func.count(table.compared), func.coalesce(func.sum(table.compared), 0))
        waiting = select(func.count()).where(table.compared.is_(None), table.hash != "")
        with self._database.read() as db:
            images_done, pairs_done = db.execute(query.where(table.version == version)).one()
            left = db.execute(waiting).scalar_one()
            lacking = select(func.count()).select_from(self._lacking(version).subquery())
            return int(images_done), int(pairs_done), int(left + db.execute(lacking).scalar_one())

    def pictures(self, ordinals: Sequence[int]) -> dict[int, PictureRow]:
        """Return what is known of images, by ordinal."""
        columns = images.c.ordinal, images.c.id, images.c.bytes, images.c.file, images.c.metadata
        with self._database.read() as db:
            return {
                row.ordinal: PictureRow(
                    row.ordinal, row.id, row.bytes, row.file or {}, row.metadata or {}
                )
                for row in among(db, select(*columns), images.c.ordinal, ordinals)
            }

    def tags(self, ordinals: Sequence[int]) -> dict[int, int]:
        """Return how many tags images have, by ordinal; those without any are left out."""
        query = select(tags.c.ordinal, func.count().label("carried")).group_by(tags.c.ordinal)
        with self._database.read() as db:
            return {
                row.ordinal: int(row.carried) for row in among(db, query, tags.c.ordinal, ordinals)
            }

    @staticmethod
    def _lacking(version: int) -> Any:
        placed = select(locations.c.ordinal).where(locations.c.ordinal == images.c.ordinal)
        done = select(picture_hashes.c.ordinal).where(
            picture_hashes.c.ordinal == images.c.ordinal, picture_hashes.c.version == version
        )
        query = select(images.c.ordinal, images.c.id)
        return query.where(placed.exists()).where(~done.exists())
