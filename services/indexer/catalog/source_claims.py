"""Claims of sources: the files that were taken from each, and the effects of their changes."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import Connection, delete, insert, select, tuple_

from services.indexer.catalog.bulk_sql import add_rows, among, some_of
from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.locations import (
    Bury,
    Place,
    SourceEntry,
    annotations_of,
    at_paths,
    follow,
    forget_dismissed,
    left_without_place,
    put_places,
    remove_images,
    touch,
    write_claims,
)
from services.indexer.catalog.remembering import forget, remember_placeless
from services.indexer.catalog.schema import dismissed, images, locations, mounts, origins
from services.indexer.catalog.second_files import promote_second_files
from services.indexer.catalog.trash import keeping, put_in_trash
from services.indexer.catalog.undo_log import noting
from shared.core.errors import NotFound
from shared.objects.local_path import path_of, url_of


@dataclass(frozen=True, slots=True)
class Dismissed:
    """A file whose image a user deleted, as the file was then."""

    image_id: str
    path: str
    mtime_ns: int
    bytes: int


_NOTED = ""
"""Replaces a path: shows that a source's mount points are known, even if there are none."""


class Origins:
    """Reads and changes what sources name."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def claims(self, source: str, folder: str | None) -> list[SourceEntry]:
        """Return the claims of a source, and those of others within its folder."""
        wanted = origins.c.source == source
        if folder is not None:
            # Paths that aren't UTF-8 are stored as URLs, and so may the folder's own path be.
            local = path_of(folder)
            forms = {folder} if local is None else {folder, url_of(local)}
            for form in forms:
                wanted |= origins.c.path.startswith(form, autoescape=True)
        with self.database.read() as db:
            rows = db.execute(
                select(
                    origins,
                    locations.c.mtime_ns,
                    locations.c.bytes,
                    locations.c.ctime_ns,
                    images.c.id,
                )
                .join(
                    locations,
                    (locations.c.path == origins.c.path) & (locations.c.uri == origins.c.uri),
                )
                .join(images, images.c.ordinal == locations.c.ordinal)
                .where(wanted)
                .order_by(origins.c.path, origins.c.uri, origins.c.source)
            )
            return [
                SourceEntry(
                    row.source,
                    row.id,
                    Place(row.path, row.uri, row.mtime_ns, row.bytes, row.inode, row.ctime_ns),
                    tuple(row.tags),
                    row.metadata,
                )
                for row in rows
                # A database that ignores case in text may return other folders too.
                if row.source == source or _lies_in(row.path, folder)
            ]

    def sizes(self) -> set[int]:
        """The size of every image that is there or was deleted by a user."""
        with self.database.read() as db:
            both = select(images.c.bytes).union(select(dismissed.c.bytes))
            return set(db.execute(both).scalars())

    def put(
        self,
        claims: Sequence[SourceEntry],
        bury: Bury,
        keeps: bool = False,
        undo: str | None = None,
    ) -> list[str]:
        """Notes that files hold images that are there, in one transaction.

        Gives the ids of the images that so lost their last place, and are deleted; `keeps`: they go
        to the trash. An image that is gone by now is left out: the next sync takes its file in.
        `undo`: the job that takes it back.
        """
        paths = [one.place.path for one in claims]
        with self.database.write() as db:
            ordinals = _ordinals(db, [one.image_id for one in claims])
            touched = {*ordinals.values(), *at_paths(db, paths)}
            with noting(db, undo, touched):
                bury = keeping(db, bury, touched) if keeps else bury
                change = next_revision(db)
                before = annotations_of(db, touched)
                there = [one for one in claims if one.image_id in ordinals]
                changed, lost = put_places(db, [(ordinals[c.image_id], c.place) for c in there])
                write_claims(db, there)
                forget_dismissed(db, paths)
                touch(db, changed | lost, change)
                remember_placeless(db, before, change)
                follow(db, before, change)
                promote_second_files(db, lost)
                return left_without_place(db, lost, bury)

    def drop(
        self,
        gone: Sequence[str],
        unnamed: Sequence[tuple[str, str]],
        source: str,
        bury: Bury,
        keeps: bool = False,
        undo: str | None = None,
    ) -> list[str]:
        """Takes out the files at paths that are gone, and those that a source names no more.

        `unnamed`: paths with uris. Gives the ids of the images that so lost their last place, and
        are deleted; `keeps`: they go to the trash. `undo`: the job that takes it back.
        """
        with self.database.write() as db:
            touched = at_paths(db, [*gone, *(path for path, _ in unnamed)])
            with noting(db, undo, touched):
                bury = keeping(db, bury, touched) if keeps else bury
                change = next_revision(db)
                before = annotations_of(db, touched)
                _take_out(db, gone, unnamed, source)
                touch(db, touched, change)
                remember_placeless(db, before, change)
                follow(db, before, change)
                promote_second_files(db, touched)
                return left_without_place(db, touched, bury)

    def delete(self, image_id: str, bury: Bury) -> None:
        """Deletes an image that a user wants gone; a sync leaves its files out. Raises NotFound."""
        if not self.delete_all([image_id], bury, keeps=False):
            raise NotFound(f"There is no image {image_id!r}.")

    def delete_all(
        self,
        ids: Sequence[str],
        bury: Bury,
        keeps: bool,
        undo: str | None = None,
        instead: Mapping[str, str] = MappingProxyType({}),
    ) -> list[str]:
        """Deletes images that a user wants gone, and gives those that were there.

        `keeps`: they go to the trash. `undo`: takes it back then. `instead`: for an image, the one
        that is kept in its stead; where that is gone, the image stays.
        """
        with self.database.write() as db:
            numbers = _ordinals(db, ids)
            kept = _ordinals(db, [*instead.values()])
            numbers = {i: n for i, n in numbers.items() if i not in instead or instead[i] in kept}
            delete_unwanted(db, numbers, bury, keeps, undo)
            return list(numbers)

    def dismissed(self) -> list[Dismissed]:
        """Every file whose image a user deleted."""
        with self.database.read() as db:
            rows = db.execute(select(dismissed)).all()
            return [Dismissed(row.id, row.path, row.mtime_ns, row.bytes) for row in rows]

    def dismissed_are_now(self, there: Sequence[Dismissed], gone: Sequence[str]) -> None:
        """Notes where the files of deleted images are by now, and the paths where none is."""
        if not there and not gone:
            return
        with self.database.write() as db:
            for batch in some_of(gone):
                db.execute(delete(dismissed).where(dismissed.c.path.in_(batch)))
            for one in there:
                _dismiss(db, one)

    def mounts(self, source: str) -> set[str] | None:
        """The folders that were mount points when a source was synced last; None before that."""
        with self.database.read() as db:
            query = select(mounts.c.path).where(mounts.c.source == source)
            found = set(db.execute(query).scalars())
        return found - {_NOTED} if found else None

    def note_mounts(self, source: str, paths: Set[str]) -> None:
        """Notes which folders of a source are mount points."""
        if self.mounts(source) == paths:
            return
        with self.database.note() as db:
            db.execute(delete(mounts).where(mounts.c.source == source))
            add_rows(db, mounts, [{"source": source, "path": p} for p in {*paths, _NOTED}])


def delete_unwanted(
    db: Connection,
    numbers: Mapping[str, int],
    bury: Bury,
    keeps: bool,
    undo: str | None = None,
) -> None:
    """Delete images within a transaction; a sync leaves their files out from now on."""
    ordinals = list(numbers.values())
    with noting(db, undo, ordinals):
        dismiss_claimed(db, ordinals)
        if keeps:
            put_in_trash(db, ordinals)
        bury({ordinal: image_id for image_id, ordinal in numbers.items()})
        remove_images(db, ordinals)
        forget(db, list(numbers))


def _take_out(
    db: Connection, gone: Sequence[str], unnamed: Sequence[tuple[str, str]], source: str
) -> None:
    for batch in some_of(gone):
        db.execute(delete(locations).where(locations.c.path.in_(batch)))
    for pairs in some_of(unnamed):
        named = tuple_(origins.c.path, origins.c.uri).in_(pairs)
        db.execute(delete(origins).where(origins.c.source == source, named))
        still = select(origins.c.path, origins.c.uri).where(named)
        here = tuple_(locations.c.path, locations.c.uri)
        db.execute(delete(locations).where(here.in_(pairs), here.not_in(still)))


def dismiss_claimed(db: Connection, ordinals: Sequence[int]) -> None:
    """Note that a sync leaves out the files of images that are deleted next."""
    for row in list(among(db, _CLAIMED, images.c.ordinal, ordinals)):
        _dismiss(db, Dismissed(row.id, row.path, row.mtime_ns, row.bytes))


_CLAIMED = (
    select(images.c.id, locations.c.path, locations.c.mtime_ns, locations.c.bytes)
    .join(locations, images.c.ordinal == locations.c.ordinal)
    .join(
        origins,
        (origins.c.path == locations.c.path) & (origins.c.uri == locations.c.uri),
    )
    .distinct()
)


def _lies_in(path: str, folder: str | None) -> bool:
    """Return whether a path begins as a folder does, however each of them is kept."""
    return folder is not None and (path_of(path) or path).startswith(path_of(folder) or folder)


def _dismiss(db: Connection, one: Dismissed) -> None:
    db.execute(delete(dismissed).where(dismissed.c.path == one.path))
    values = {"path": one.path, "mtime_ns": one.mtime_ns, "bytes": one.bytes}
    db.execute(insert(dismissed).values(id=one.image_id, **values))


def _ordinals(db: Connection, ids: Sequence[str]) -> dict[str, int]:
    rows = among(db, select(images.c.id, images.c.ordinal), images.c.id, ids)
    return {row.id: row.ordinal for row in rows}
