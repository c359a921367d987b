"""Pictures of several files, as a RAW and its JPEG: the one stays when the other goes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, tuple_, update

from services.indexer.catalog.bulk_sql import among
from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import images, locations
from services.indexer.catalog.states import State
from shared.media.names import format_by_name, is_raw


class FileOwners:
    """Tells whose files are: a file that isn't its image's first has another hash than the id's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def at(self, files: Mapping[str, str]) -> dict[str, str]:
        """Return the ids of images that had these bytes at these paths, by path.

        files: SHA-256 by path.
        """
        query = select(
            locations.c.path, locations.c.sha256, images.c.id, images.c.sha256.label("own")
        ).join(images, images.c.ordinal == locations.c.ordinal)
        with self._database.read() as db:
            return {
                row.path: row.id
                for row in among(db, query, locations.c.path, list(files))
                if (row.sha256 or row.own) == files[row.path]
            }

    def own(self, digests: Sequence[str]) -> dict[str, str]:
        """Return the ids of images whose own files have these bytes, by SHA-256. Looks at all."""
        query = select(images.c.id, images.c.sha256)
        with self._database.read() as db:
            rows = among(db, query, images.c.sha256, sorted(set(digests)))
            return {row.sha256: row.id for row in rows}


def promote_second_files(db: Connection, ordinals: Iterable[int]) -> None:
    """Make a second file the own one of each image that has lost its own.

    The image keeps its id, tags and features: it is the same picture.
    """
    wanted = sorted(set(ordinals))
    left: dict[int, list[tuple[str, str, int]]] = {}
    for row in among(db, select(locations), locations.c.ordinal, wanted):
        left.setdefault(row.ordinal, []).append((row.sha256, row.uri, row.bytes))
    for ordinal, files in left.items():
        if not all(sha256 for sha256, _, _ in files):
            continue
        sha256, uri, size = min(files, key=lambda file: (is_raw(file[1]), file[1]))
        _own(db, ordinal, sha256, size, uri)
        its = (locations.c.ordinal == ordinal) & (locations.c.sha256 == sha256)
        db.execute(update(locations).where(its).values(sha256=""))


def give_own_back(db: Connection, changed: Mapping[int, tuple[State, State]]) -> None:
    """Make the file that images had before a change their own one again, where it is there.

    changed: states before the change and after it, by number.
    """
    for ordinal, (former, later) in changed.items():
        own, since = former.get("own"), later.get("own")
        query = select(images.c.sha256).where(images.c.ordinal == ordinal)
        if not own or not since or own == since or db.execute(query).scalar() != since[0]:
            continue
        its = locations.c.ordinal == ordinal
        there = {tuple(row) for row in db.execute(select(*_AT).where(its))}
        before = {tuple(place[:2]): _second(place) for place in former["places"]}
        kept = {at: sha256 for at, sha256 in before.items() if at in there}
        firsts = sorted(uri for (_, uri), sha256 in kept.items() if not sha256)
        if not firsts:
            continue
        _own(db, ordinal, own[0], own[1], firsts[0])
        db.execute(update(locations).where(its, locations.c.sha256 == "").values(sha256=since[0]))
        for at, sha256 in kept.items():
            here = tuple_(*_AT) == tuple_(*at)
            db.execute(update(locations).where(its, here).values(sha256=sha256))


def own_of(record: State) -> dict[str, Any]:
    """Return the SHA-256, size and facts of the own file of an image that is brought back."""
    sha256, size = record.get("own") or (record["sha256"], record["bytes"])
    file = record["file"]
    if sha256 != record["sha256"]:
        firsts = sorted(place[1] for place in record["places"] if not _second(place))
        file = _renamed(file, firsts[0]) if firsts else file
    return {"sha256": sha256, "bytes": size, "file": file}


_AT = locations.c.path, locations.c.uri


def _own(db: Connection, ordinal: int, sha256: str, size: int, uri: str) -> None:
    """Note that an image's own file is this one."""
    its = images.c.ordinal == ordinal
    facts = _renamed(db.execute(select(images.c.file).where(its)).scalar(), uri)
    db.execute(update(images).where(its).values(sha256=sha256, bytes=size, file=facts))


def _renamed(facts: dict[str, Any] | None, uri: str) -> dict[str, Any] | None:
    return None if facts is None else facts | {"format": format_by_name(uri)}


def _second(place: Sequence[Any]) -> str:
    """Return the SHA-256 of a noted place; "": it is that of the own file."""
    return str(place[5]) if len(place) > 5 else ""
