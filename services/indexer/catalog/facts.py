"""Facts of files in the catalogue: size, date, camera, place."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, or_, select, update

from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.entry import Entry
from services.indexer.catalog.locations import touch
from services.indexer.catalog.schema import images, locations
from shared.contracts.facts import COLORS_KEY
from shared.media.places import named

_MANY = 10_000
_SET = update(images).where(images.c.ordinal == bindparam("its_ordinal"))


class Facts:
    """Reads and sets what is known of files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lacking(self, again: bool = False) -> Iterator[dict[str, dict[str, Any] | None]]:
        """Give the ids of images that have a file and lack facts or colours, some at a time, with
        the facts that are known; `again`: of all, as if none were.
        """
        query = _lacking(again)
        last = -1
        while True:
            with self._database.read() as db:
                after = query.where(images.c.ordinal > last).order_by(images.c.ordinal)
                rows = db.execute(after.limit(_MANY)).all()
            if not rows:
                return
            last = rows[-1].ordinal
            yield {row.id: None if again else row.file for row in rows}

    def count_lacking(self, again: bool = False) -> int:
        query = select(func.count()).select_from(_lacking(again).subquery())
        with self._database.read() as db:
            return int(db.execute(query).scalar_one())

    def misnamed(self) -> Iterator[dict[str, dict[str, Any]]]:
        """Give the facts of images whose place has other names by now, some at a time, by id."""
        query = select(images.c.ordinal, images.c.id, images.c.file)
        query = query.where(images.c.file.is_not(None)).order_by(images.c.ordinal)
        last = -1
        while True:
            with self._database.read() as db:
                rows = db.execute(query.where(images.c.ordinal > last).limit(_MANY)).all()
            if not rows:
                return
            last = rows[-1].ordinal
            names = {row.id: named(row.file) for row in rows}
            found = {row.id: names[row.id] for row in rows if names[row.id] != row.file}
            if found:
                yield found

    def put(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Set the facts of images, by id; those that are gone by now are left out."""
        with self._database.write() as db:
            rows = db.execute(
                select(images.c.id, images.c.ordinal, images.c.file).where(
                    images.c.id.in_(list(found))
                )
            ).all()
            changed = [row for row in rows if row.file != found[row.id]]
            if changed:
                values = [{"its_ordinal": r.ordinal, "file": dict(found[r.id])} for r in changed]
                db.execute(_SET, values)
                touch(db, [row.ordinal for row in changed], next_revision(db))


def _lacking(again: bool) -> Select[Any]:
    """Return the images with a file; not `again`: those whose facts or colours are unknown."""
    placed = select(locations.c.ordinal).where(locations.c.ordinal == images.c.ordinal)
    query = select(images.c.ordinal, images.c.id, images.c.file).where(placed.exists())
    if again:
        return query
    colors = images.c.file[COLORS_KEY].as_string()
    return query.where(or_(images.c.file.is_(None), colors.is_(None)))


def put_facts(db: Connection, entries: Sequence[Entry], there: Mapping[str, Row[Any]]) -> set[int]:
    """Join the facts that entries bring to those of images that are there; give the changed ones.

    A sidecar's stand before the picture's own, which never change.
    """
    facts: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry.file is None or entry.id not in there:
            continue
        known = facts.get(entry.id, there[entry.id].file or {})
        joined = {**known, **entry.file} if entry.has_sidecar else {**entry.file, **known}
        facts[entry.id] = named(joined)
    values = [
        {"its_ordinal": there[image_id].ordinal, "file": found}
        for image_id, found in facts.items()
        if found != there[image_id].file
    ]
    if values:
        db.execute(_SET, values)
    return {row["its_ordinal"] for row in values}
