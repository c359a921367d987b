"""Stored files that no image has: those to remove, and those that are being written.

A name is listed before its file is written, and taken off the list by the transaction that records
it; whatever deletes an image for good lists its names again. So each stored file is an image's, in
the trash, or listed, wherever a process was killed. A name that is due never comes back: a new
upload gets a new one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection, and_, delete, or_, select, update

from services.indexer.catalog.bulk_sql import add_rows, among, some_of
from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import images, locations, removed_files, trash
from services.indexer.catalog.stored_names import THUMBNAILS, thumbnail, upload_of

_WRITING, _DUE, _AGAIN = "writing", "due", "again"
_WRITTEN_S = 86_400.0
"""After this time, whoever was writing a file is taken for dead; if it isn't, it begins anew."""
_MADE_S = 3600.0
"""A thumbnail that was being made when its image was deleted is there after this time."""


class UploadGone(Exception):
    """A file that was to be recorded is no longer there: its image was deleted meanwhile."""


def release(db: Connection, held: Mapping[str, Iterable[str]]) -> None:
    """List the stored files that images had, unless they have them still, or are in the trash.

    held: paths, by the ids of the images, from rows that this transaction takes out.
    """
    ids = list(held)
    live = uploads_of(db, ids)
    gone = [thumbnail(image_id) for image_id in ids if image_id not in live]
    for image_id, paths in held.items():
        names = {name for path in paths if (name := upload_of(image_id, path))}
        gone += names - live.get(image_id, {}).keys()
    _list(db, gone, _DUE)


def take_written(db: Connection, names: Collection[str]) -> None:
    """Take files that were written off the list, to record them. Raises UploadGone."""
    for some in some_of(sorted(names)):
        its = and_(removed_files.c.name.in_(some), removed_files.c.state == _WRITING)
        if db.execute(delete(removed_files).where(its)).rowcount < len(some):
            raise UploadGone


class RemovedFiles:
    """Reads and changes the list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stored(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the path of the upload that an image, or one in the trash, has; by id."""
        with self._database.read() as db:
            return {i: next(iter(its.values())) for i, its in uploads_of(db, ids).items() if its}

    def are_there(self, ids: Sequence[str]) -> set[str]:
        """Return which of these are images, or in the trash."""
        with self._database.read() as db:
            return set(uploads_of(db, ids))

    def begin(self, names: Sequence[str]) -> None:
        """Note that files are about to be written."""
        with self._database.note() as db:
            _list(db, names, _WRITING, self._now(db))

    def abandon(self, names: Mapping[str, str]) -> None:
        """Note that files, by the ids of their images, are written no more; those that were
        recorded stay.

        Also one that is no longer listed: others took its writer for dead, and removed what was
        there then.
        """
        with self._database.write() as db:
            live = uploads_of(db, list(names))
            left = [name for image_id, name in names.items() if name not in live.get(image_id, {})]
            _list(db, left, _DUE)

    def abandon_all(self) -> None:
        """Note that no file is being written any more."""
        with self._database.note() as db:
            change = update(removed_files).where(removed_files.c.state == _WRITING)
            db.execute(change.values(state=_DUE))

    def expire(self) -> None:
        """Abandon files whose writers were killed long ago."""
        with self._database.note() as db:
            is_old = removed_files.c.since < self._now(db) - _WRITTEN_S
            change = update(removed_files).where(removed_files.c.state == _WRITING, is_old)
            db.execute(change.values(state=_DUE))

    def due(self, after: str, limit: int) -> list[str]:
        """Return the next names of files to remove, in their order."""
        with self._database.read() as db:
            is_made = removed_files.c.since < self._now(db) - _MADE_S
            is_again = and_(removed_files.c.state == _AGAIN, is_made)
            query = select(removed_files.c.name).where(
                removed_files.c.name > after, or_(removed_files.c.state == _DUE, is_again)
            )
            return list(db.execute(query.order_by(removed_files.c.name).limit(limit)).scalars())

    def forget(self, names: Sequence[str]) -> None:
        """Take removed files off the list.

        Thumbnails are removed twice: one that was being made may have come after the first time.
        """
        with self._database.note() as db:
            for some in some_of(names):
                its, now = removed_files.c.name.in_(some), self._now(db)
                is_thumbnail = removed_files.c.name.startswith(THUMBNAILS)
                is_first = and_(is_thumbnail, removed_files.c.state == _DUE)
                # Another worker removed it for the first time, just now.
                is_early = removed_files.c.since >= now - _MADE_S
                is_early = and_(is_thumbnail, removed_files.c.state == _AGAIN, is_early)
                db.execute(delete(removed_files).where(its, ~is_first, ~is_early))
                change = update(removed_files).where(its, is_first)
                db.execute(change.values(state=_AGAIN, since=now))

    def _now(self, db: Connection) -> float:
        return float(db.execute(select(self._database.kind.now)).scalar_one())


def uploads_of(db: Connection, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return those that are images or in the trash, with the paths of their uploads by name."""
    found: dict[str, dict[str, str]] = {}

    def put(image_id: str, paths: Iterable[str]) -> None:
        its = found.setdefault(image_id, {})
        its |= {name: path for path in paths if (name := upload_of(image_id, path))}

    for row in among(db, select(trash.c.id, trash.c.record), trash.c.id, ids):
        put(row.id, [place[0] for place in row.record["places"]])
    at = images.c.ordinal == locations.c.ordinal
    query = select(images.c.id, locations.c.path).join(locations, at, isouter=True)
    for row in among(db, query, images.c.id, ids):
        put(row.id, [row.path] if row.path else [])
    # An import may name a file that is due.
    names = sorted({name for its in found.values() for name in its})
    listed = {
        row.name for row in among(db, select(removed_files.c.name), removed_files.c.name, names)
    }
    if listed:
        return {i: {n: at for n, at in its.items() if n not in listed} for i, its in found.items()}
    return found


def paths_of(db: Connection, ordinals: Sequence[int]) -> dict[str, list[str]]:
    """Return the paths of images, by id."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    at = images.c.ordinal == locations.c.ordinal
    query = select(images.c.id, locations.c.path).join(locations, at, isouter=True)
    for row in among(db, query, images.c.ordinal, ordinals):
        found[row.id] += [row.path] if row.path else []
    return dict(found)


def _list(db: Connection, names: Collection[str], state: str, since: float = 0.0) -> None:
    for some in some_of(sorted(set(names))):
        db.execute(delete(removed_files).where(removed_files.c.name.in_(some)))
        add_rows(db, removed_files, [{"name": n, "state": state, "since": since} for n in some])
