"""Where images are, and what their sources say of them, within a transaction of the caller's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from services.indexer.catalog import statements
from services.indexer.catalog.schema import dismissed, images, locations, origins, tags
from shared.snapshots.items import tag_key

# SQLite takes at most 32,766 values in one statement.
MANY = 10_000

Bury = Callable[[Mapping[int, str]], None]
"""Deletes images from every snapshot, durably: ids by ordinal."""


@dataclass(frozen=True)
class Place:
    """Where an image's bytes are: an absolute path, and the `uri` that a user sees."""

    path: str
    uri: str
    mtime_ns: int
    bytes: int
    inode: int = 0


@dataclass(frozen=True)
class Said:
    """What sources say of an image: tags by their key, and metadata."""

    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def put_place(db: Connection, ordinal: int, place: Place, change: int) -> tuple[bool, set[int]]:
    """Whether the image's uris changed; and the images that had the path and lose it to this one.

    The path goes over under every uri that it's known by: they all name the same file.
    """
    there = db.execute(statements.AT_PATH, {"at": place.path}).all()
    former = {row.ordinal for row in there} - {ordinal}
    values = {"ordinal": ordinal, "mtime_ns": place.mtime_ns, "bytes": place.bytes}
    if there:
        db.execute(update(locations).where(locations.c.path == place.path).values(values))
        is_it = origins.c.path == place.path
        db.execute(update(origins).where(is_it).values(inode=place.inode))
    if former:
        db.execute(update(images).where(images.c.ordinal.in_(former)).values(revision=change))
    if place.uri in {row.uri for row in there}:
        return bool(former), former
    db.execute(statements.ADD_PLACE, {"path": place.path, "uri": place.uri, **values})
    return True, former


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that a source names, what it says of it, and the image that the file holds."""

    source: str
    image_id: str
    place: Place
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.place.path, self.place.uri


def write_claims(db: Connection, claims: Iterable[Claim]) -> None:
    """Notes what sources say of files, in the stead of what they said before."""
    rows = {
        (one.source, *one.key): {
            "source": one.source,
            "path": one.place.path,
            "uri": one.place.uri,
            "inode": one.place.inode,
            "tags": list(one.tags),
            "metadata": dict(one.metadata),
        }
        for one in claims
    }
    if not rows:
        return
    named = (
        (origins.c.source == bindparam("its_source"))
        & (origins.c.path == bindparam("its_path"))
        & (origins.c.uri == bindparam("its_uri"))
    )
    keys = [{"its_source": s, "its_path": p, "its_uri": u} for s, p, u in rows]
    db.execute(delete(origins).where(named), keys)
    db.execute(insert(origins), list(rows.values()))


def forget_dismissed(db: Connection, paths: Sequence[str], ids: Sequence[str] = ()) -> None:
    """Files that hold images again, and images that were brought back, are dismissed no more."""
    for column, values in ((dismissed.c.path, paths), (dismissed.c.id, ids)):
        for start in range(0, len(values), MANY):
            db.execute(delete(dismissed).where(column.in_(values[start : start + MANY])))


def said_of(db: Connection, ordinals: Iterable[int]) -> dict[int, Said]:
    """What all sources together say of each of these images."""
    wanted = sorted(set(ordinals))
    found = {ordinal: Said() for ordinal in wanted}
    for start in range(0, len(wanted), MANY):
        rows = db.execute(
            select(locations.c.ordinal, origins.c.tags, origins.c.metadata)
            .join(
                origins,
                (origins.c.path == locations.c.path) & (origins.c.uri == locations.c.uri),
            )
            .where(locations.c.ordinal.in_(wanted[start : start + MANY]))
            .order_by(locations.c.path, locations.c.uri, origins.c.source)
        )
        for ordinal, its_tags, its_metadata in rows:
            for tag in its_tags:
                found[ordinal].tags.setdefault(tag_key(tag), tag)
            found[ordinal].metadata.update(its_metadata)
    return found


def merged(
    present: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """`present`, with what the sources changed from `before` to `after`.

    What a user changed since stays the user's.
    """
    nothing = object()
    found = dict(present)
    for key in before.keys() | after.keys():
        was, now = before.get(key, nothing), after.get(key, nothing)
        if was == now or present.get(key, nothing) != was:
            continue
        if now is nothing:
            del found[key]
        else:
            found[key] = now
    return found


def follow(db: Connection, before: Mapping[int, Said], change: int) -> None:
    """Brings images' tags and metadata in line with what their sources say since `before`."""
    after = said_of(db, before)
    differing = [ordinal for ordinal, was in before.items() if was != after[ordinal]]
    for start in range(0, len(differing), MANY):
        some = differing[start : start + MANY]
        carried: dict[int, dict[str, str]] = {ordinal: {} for ordinal in some}
        for row in db.execute(select(tags).where(tags.c.ordinal.in_(some))):
            carried[row.ordinal][row.key] = row.tag
        kept = select(images.c.ordinal, images.c.metadata).where(images.c.ordinal.in_(some))
        retagged: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        emptied: list[int] = []
        for ordinal, metadata in db.execute(kept):
            was, now = before[ordinal], after[ordinal]
            wanted = merged(carried[ordinal], was.tags, now.tags)
            if wanted != carried[ordinal]:
                emptied.append(ordinal)
                retagged += [{"ordinal": ordinal, "key": k, "tag": t} for k, t in wanted.items()]
            said = merged(metadata, was.metadata, now.metadata)
            if (wanted, said) != (carried[ordinal], metadata):
                changed.append({"its_ordinal": ordinal, "metadata": said, "revision": change})
        db.execute(delete(tags).where(tags.c.ordinal.in_(emptied)))
        if retagged:
            db.execute(insert(tags), retagged)
        if changed:
            db.execute(update(images).where(images.c.ordinal == bindparam("its_ordinal")), changed)


def left_without_place(
    db: Connection, ordinals: Iterable[int], bury: Bury | None = None
) -> list[str]:
    """The ids of those images that have no place any more; `bury` deletes them.

    They're buried before the transaction ends: an upload of the same picture comes either before,
    and gives it a place, or after, and makes it anew.
    """
    wanted = sorted(set(ordinals))
    placeless: dict[int, str] = {}
    for start in range(0, len(wanted), MANY):
        some = wanted[start : start + MANY]
        placed = select(locations.c.ordinal).where(locations.c.ordinal.in_(some))
        rows = db.execute(
            select(images.c.ordinal, images.c.id).where(
                images.c.ordinal.in_(some), images.c.ordinal.not_in(placed)
            )
        )
        placeless.update((row.ordinal, row.id) for row in rows)
    if bury is not None and placeless:
        bury(placeless)
        remove_images(db, list(placeless))
    return list(placeless.values())


def remove_images(db: Connection, ordinals: Sequence[int]) -> None:
    """Takes images out, with all that belongs to them."""
    for start in range(0, len(ordinals), MANY):
        db.execute(delete(images).where(images.c.ordinal.in_(ordinals[start : start + MANY])))
