"""Locations of images, and their sources' claims, within a transaction of the caller's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, tuple_, update

from services.indexer.catalog import bulk_sql
from services.indexer.catalog.bulk_sql import add_rows, among, some_of
from services.indexer.catalog.joining import differ
from services.indexer.catalog.removed_files import paths_of, release
from services.indexer.catalog.schema import dismissed, images, locations, origins, tags
from shared.contracts.annotations import MAX_TAGS, metadata_fault
from shared.snapshots.items import tag_key

Bury = Callable[[Mapping[int, str]], None]
"""Deletes images from every snapshot, durably: ids by ordinal."""


@dataclass(frozen=True)
class Place:
    """Location of an image's bytes: an absolute path or a URL, and the `uri` that a user sees.

    `sha256`: that of the file, where it is known: of a RAW beside a JPEG, another than the image's.
    """

    path: str
    uri: str
    mtime_ns: int
    bytes: int
    inode: int = 0
    ctime_ns: int = 0
    sha256: str = ""

    @property
    def has_file(self) -> bool:
        """False for a uri that was imported beside a vector."""
        return is_address(self.path)

    def is_as(self, known: "Place") -> bool:
        """Return whether the file wasn't written since the catalogue took note of it.

        A catalogue of an older version knows no ctime.
        """
        stamp = self.mtime_ns, self.bytes, self.inode
        same = stamp == (known.mtime_ns, known.bytes, known.inode)
        return same and known.ctime_ns in (0, self.ctime_ns)


def is_address(path: str) -> bool:
    """Return whether a path of the catalogue locates a file."""
    return path.startswith("/") or "://" in path


@dataclass(frozen=True)
class Annotations:
    """Annotations of an image by its sources: tags by their key, and metadata."""

    tags: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


def put_places(db: Connection, placed: Sequence[tuple[int, Place]]) -> tuple[set[int], set[int]]:
    """Says where images are, by their numbers; of two at one path, the later has it.

    Gives the images whose uris so changed, and those that lost a path. A path goes over under
    every uri that it's known by: they all name the same file.
    """
    paths = list(dict.fromkeys(place.path for _, place in placed))
    columns = select(locations.c.path, locations.c.uri, locations.c.ordinal)
    uris: dict[str, set[str]] = {path: set() for path in paths}
    holders: dict[str, set[int]] = {path: set() for path in paths}
    for row in among(db, columns, locations.c.path, paths):
        uris[row.path].add(row.uri)
        holders[row.path].add(row.ordinal)
    known = [path for path in paths if uris[path]]
    own = {
        row.ordinal: row.sha256
        for row in among(
            db,
            select(images.c.ordinal, images.c.sha256),
            images.c.ordinal,
            list({ordinal for ordinal, _ in placed}),
        )
    }
    before = {path: set(ordinals) for path, ordinals in holders.items()}
    changed: set[int] = set()
    lost: set[int] = set()
    now: dict[str, tuple[int, Place]] = {}
    new: list[tuple[str, str]] = []
    for ordinal, place in placed:
        former = holders[place.path] - {ordinal}
        is_new = place.uri not in uris[place.path]
        if former or is_new:
            changed.add(ordinal)
        if is_new:
            uris[place.path].add(place.uri)
            new.append((place.path, place.uri))
        lost |= former
        holders[place.path] = {ordinal}
        now[place.path] = ordinal, place
    if known:
        moves = [{"its_path": path, **_held(*now[path])} for path in known]
        db.execute(bulk_sql.MOVE, moves)
        # Whoever didn't read a file knows no more of its content than before.
        sums = [
            {"its_path": path, "sha256": _second(own, *now[path])}
            for path in known
            if now[path][1].sha256 or before[path] != {now[path][0]}
        ]
        if sums:
            db.execute(bulk_sql.MOVE, sums)
        files = [{"its_path": path, "inode": now[path][1].inode} for path in known]
        db.execute(bulk_sql.IDENTIFY, files)
    rows = [
        {"path": path, "uri": uri, "sha256": _second(own, *now[path]), **_held(*now[path])}
        for path, uri in new
    ]
    add_rows(db, locations, rows)
    return changed, lost


def _second(own: Mapping[int, str], ordinal: int, place: Place) -> str:
    """Return the SHA-256 of a file that is not the image's own, else ""."""
    return "" if place.sha256 == own.get(ordinal) else place.sha256


def _held(ordinal: int, place: Place) -> dict[str, int]:
    return {
        "ordinal": ordinal,
        "mtime_ns": place.mtime_ns,
        "bytes": place.bytes,
        "ctime_ns": place.ctime_ns,
    }


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A file that a source names, what it says of it, and the image that the file holds."""

    source: str
    image_id: str
    place: Place
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.place.path, self.place.uri


def write_claims(db: Connection, claims: Iterable[SourceEntry]) -> None:
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
    for source in {one.source for one in claims}:
        for places in some_of([place for its, *place in rows if its == source]):
            named = tuple_(origins.c.path, origins.c.uri).in_(places)
            db.execute(delete(origins).where(origins.c.source == source, named))
    add_rows(db, origins, list(rows.values()))


def forget_dismissed(db: Connection, paths: Sequence[str], ids: Sequence[str] = ()) -> None:
    """Files that hold images again, and images that were brought back, are dismissed no more."""
    for column, values in ((dismissed.c.path, paths), (dismissed.c.id, ids)):
        for batch in some_of(values):
            db.execute(delete(dismissed).where(column.in_(batch)))


def annotations_of(db: Connection, ordinals: Iterable[int]) -> dict[int, Annotations]:
    """Return the combined annotations of all sources for each of these images."""
    wanted = sorted(set(ordinals))
    found = {ordinal: Annotations() for ordinal in wanted}
    query = (
        select(locations.c.ordinal, origins.c.tags, origins.c.metadata)
        .join(origins, (origins.c.path == locations.c.path) & (origins.c.uri == locations.c.uri))
        .order_by(locations.c.path, locations.c.uri, origins.c.source)
    )
    for row in among(db, query, locations.c.ordinal, wanted):
        for tag in row.tags:
            found[row.ordinal].tags.setdefault(tag_key(tag), tag)
        found[row.ordinal].metadata.update(row.metadata)
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
        if not differ(was, now) or differ(present.get(key, nothing), was):
            continue
        if now is nothing:
            del found[key]
        else:
            found[key] = now
    return found


def bounded(tagged: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that an image can hold, the first of them."""
    return dict(islice(tagged.items(), MAX_TAGS))


def follow(db: Connection, before: Mapping[int, Annotations], change: int) -> None:
    """Brings images' tags and metadata in line with what their sources say since `before`."""
    after = annotations_of(db, before)
    differing = [ordinal for ordinal, was in before.items() if was != after[ordinal]]
    for batch in some_of(differing):
        carried: dict[int, dict[str, str]] = {ordinal: {} for ordinal in batch}
        for row in db.execute(select(tags).where(tags.c.ordinal.in_(batch))):
            carried[row.ordinal][row.key] = row.tag
        kept = select(images.c.ordinal, images.c.metadata).where(images.c.ordinal.in_(batch))
        retagged: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        emptied: list[int] = []
        for ordinal, metadata in db.execute(kept):
            was, now = before[ordinal], after[ordinal]
            wanted = bounded(merged(carried[ordinal], was.tags, now.tags))
            if wanted != carried[ordinal]:
                emptied.append(ordinal)
                retagged += [{"ordinal": ordinal, "key": k, "tag": t} for k, t in wanted.items()]
            new_metadata = merged(metadata, was.metadata, now.metadata)
            if differ(new_metadata, metadata) and metadata_fault(new_metadata) is not None:
                # Several sources together have more metadata than one image can hold.
                new_metadata = metadata
            if wanted != carried[ordinal] or differ(new_metadata, metadata):
                changed.append(
                    {"its_ordinal": ordinal, "metadata": new_metadata, "revision": change}
                )
        db.execute(delete(tags).where(tags.c.ordinal.in_(emptied)))
        add_rows(db, tags, retagged)
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
    for batch in some_of(wanted):
        placed = select(locations.c.ordinal).where(locations.c.ordinal.in_(batch))
        rows = db.execute(
            select(images.c.ordinal, images.c.id).where(
                images.c.ordinal.in_(batch), images.c.ordinal.not_in(placed)
            )
        )
        placeless.update((row.ordinal, row.id) for row in rows)
    if bury is not None and placeless:
        bury(placeless)
        remove_images(db, list(placeless))
    return list(placeless.values())


def remove_images(db: Connection, ordinals: Sequence[int]) -> None:
    """Takes images out, with all that belongs to them; their stored files go after that, unless
    they are in the trash.
    """
    for batch in some_of(ordinals):
        held = paths_of(db, batch)
        db.execute(delete(images).where(images.c.ordinal.in_(batch)))
        release(db, held)


def at_paths(db: Connection, paths: Sequence[str]) -> set[int]:
    """The images at these paths."""
    return {row.ordinal for row in among(db, select(locations.c.ordinal), locations.c.path, paths)}


def touch(db: Connection, ordinals: Iterable[int], change: int) -> None:
    """Notes that images were changed."""
    for batch in some_of(sorted(set(ordinals))):
        db.execute(update(images).where(images.c.ordinal.in_(batch)).values(revision=change))
