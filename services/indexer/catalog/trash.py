"""The trash: images that a user or a sync deleted, with all that brings them back.

An image in it has no row among the images, and its number is buried: when it comes back, it is a
new one to every snapshot, with its former id.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, inspect, select, tuple_, update

from services.indexer.catalog.bulk_sql import add_rows, among, some_of
from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.fingerprints import check_together
from services.indexer.catalog.locations import Bury, Place, forget_dismissed
from services.indexer.catalog.removed_files import release
from services.indexer.catalog.schema import features, images, locations, origins, tags, trash
from services.indexer.catalog.second_files import own_of
from services.indexer.catalog.states import State, records_of, states_of
from services.indexer.catalog.stored_names import upload_of
from shared.core.errors import NotFound

HasFeatures = Callable[[str, int, int], bool]
"""Tells whether a row of a shard of a model's features can be read."""


def all_there(fingerprint: str, shard: int, row: int) -> bool:
    """Take every row for one that can be read."""
    return True


_PURGED_AT_ONCE = 50


@dataclass(frozen=True)
class Trashed:
    """An image in the trash."""

    id: str
    deleted_at: str
    record: State

    @property
    def places(self) -> list[Place]:
        return [
            # Records of older versions have no SHA-256 of second files.
            Place(
                path,
                uri,
                mtime_ns,
                size,
                ctime_ns=ctime_ns,
                sha256=next(iter(second), "") or self.record["sha256"],
            )
            for path, uri, mtime_ns, size, ctime_ns, *second in self.record["places"]
        ]


class Trash:
    """Reads and changes the trash."""

    def __init__(self, database: Database, has_features: HasFeatures = all_there) -> None:
        self._database = database
        self.has_features = has_features

    def page(
        self, limit: int, after: tuple[str, str] | None = None
    ) -> tuple[list[Trashed], int, bool]:
        """Return some of it, what was deleted last first; how many there are; whether more follow.

        `after`: the time and the id of the last one before.
        """
        query = select(trash).order_by(trash.c.deleted_at.desc(), trash.c.id.desc())
        if after is not None:
            query = query.where(tuple_(trash.c.deleted_at, trash.c.id) < tuple_(*after))
        with self._database.read() as db:
            rows = db.execute(query.limit(limit + 1)).all()
            total = db.execute(select(func.count()).select_from(trash)).scalar_one()
        found = [Trashed(row.id, row.deleted_at, row.record) for row in rows[:limit]]
        return found, int(total), len(rows) > limit

    def get(self, image_id: str) -> Trashed:
        """Raises NotFound."""
        with self._database.read() as db:
            row = db.execute(select(trash).where(trash.c.id == image_id)).first()
        if row is None:
            raise NotFound(f"There is no image {image_id!r} in the trash.")
        return Trashed(row.id, row.deleted_at, row.record)

    def restore(self, ids: Collection[str]) -> dict[str, set[str]]:
        """Bring images back; give the models whose features each has, by id."""
        with self._database.write() as db:
            return restore(db, ids, has_features=self.has_features)

    def purge(self, before: str | None) -> int:
        """Delete for good what was deleted before a time, or all; give how many.

        Their files are noted, to be removed afterwards. Few at a time, because whoever adds one
        waits.
        """
        query = select(trash.c.id).order_by(trash.c.deleted_at)
        if before is not None:
            query = query.where(trash.c.deleted_at < before)
        gone = 0
        while True:
            with self._database.write() as db:
                ids = list(db.execute(query.limit(_PURGED_AT_ONCE)).scalars())
                forget_trashed(db, ids)
            gone += len(ids)
            if len(ids) < _PURGED_AT_ONCE:
                return gone


def put_in_trash(
    db: Connection, ordinals: Collection[int], former: Mapping[str, State] | None = None
) -> None:
    """Keep all that is known of images that are deleted next.

    `former`: the states that they come back to, by id, where they are others by now.
    """
    former = former or {}
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    for some in some_of(sorted(ordinals)):
        records = records_of(db, some)
        forget_trashed(db, list(records))
        rows = [
            {"id": i, "deleted_at": at, "record": record | former.get(i, {})}
            for i, record in records.items()
        ]
        add_rows(db, trash, rows)


def keeping(
    db: Connection, bury: Bury, ordinals: Collection[int], own: Collection[str] = ()
) -> Bury:
    """Return what buries images, and puts them in the trash before.

    These go there as they are now, before they lose their paths and what sources say of those;
    but for `own`, whose present state is the right one.
    """
    held = states_of(db, ordinals)
    former = {image_id: state for image_id, state in held.items() if image_id not in own}

    def kept(deleted: Mapping[int, str]) -> None:
        put_in_trash(db, list(deleted), former)
        bury(deleted)

    return kept


def forget_trashed(db: Connection, ids: Sequence[str]) -> None:
    """Drop images from the trash, and their stored files, unless images have them."""
    for some in some_of(ids):
        rows = db.execute(select(trash.c.id, trash.c.record).where(trash.c.id.in_(some))).all()
        if rows:
            db.execute(delete(trash).where(trash.c.id.in_([row.id for row in rows])))
            release(db, {row.id: [place[0] for place in row.record["places"]] for row in rows})


def restore(
    db: Connection,
    ids: Collection[str],
    former: Mapping[str, State] | None = None,
    has_features: HasFeatures = all_there,
) -> dict[str, set[str]]:
    """Bring images back within a transaction; give the models of their features, by id.

    One that was brought anew meanwhile stays as it is. A path that another image has by now is
    that one's. `former`: the states that they come back to, by id, where not that at the deletion.
    Features that can't be read any more are left out.
    """
    former = former or {}
    asked = list(dict.fromkeys(ids))
    there = {row.id for row in among(db, select(images.c.id), images.c.id, asked)}
    found: dict[str, State] = {
        row.id: _with_uploads(row.id, row.record | former.get(row.id, {}), row.record)
        for row in among(db, select(trash), trash.c.id, asked)
        if row.id not in there
    }
    if not found:
        return {}
    for one in found.values():
        one["features"] = [place for place in one["features"] if has_features(*place)]
    for fingerprint in {place[0] for one in found.values() for place in one["features"]}:
        check_together(db, fingerprint)
    change = next_revision(db)
    add_rows(
        db,
        images,
        [
            {
                "id": image_id,
                "metadata": one["metadata"],
                "revision": change,
                "created_at": one["created_at"],
                **own_of(one),
            }
            for image_id, one in found.items()
        ],
    )
    rows = among(db, select(images.c.id, images.c.ordinal), images.c.id, list(found))
    numbers = {row.id: row.ordinal for row in rows}
    add_rows(db, tags, [_tag(numbers[i], key, tag) for i, key, tag in _tags(found)])
    put_places_back(db, {numbers[i]: one["places"] for i, one in found.items()})
    put_claims_back(db, {numbers[i]: one["claims"] for i, one in found.items()})
    placed = [
        {
            "fingerprint": fingerprint,
            "ordinal": numbers[image_id],
            "shard": shard,
            "row": row,
            "revision": change,
        }
        for image_id, one in found.items()
        for fingerprint, shard, row in one["features"]
    ]
    add_rows(db, features, placed)
    forget_dismissed(db, [place[0] for one in found.values() for place in one["places"]], asked)
    forget_trashed(db, list(found))
    return {image_id: {place[0] for place in one["features"]} for image_id, one in found.items()}


def _with_uploads(image_id: str, state: State, record: State) -> State:
    """Return a state of an image in the trash with the uploads that are there for it now."""
    others = [place for place in state["places"] if upload_of(image_id, place[0]) is None]
    its = [place for place in record["places"] if upload_of(image_id, place[0]) is not None]
    return state | {"places": [*others, *its]}


def put_places_back(db: Connection, placed: Mapping[int, Sequence[Sequence[Any]]]) -> None:
    """Give images, by number, places that they had, but for those that others have by now."""
    query = select(locations.c.path, locations.c.uri, locations.c.ordinal)
    paths = list({place[0] for places in placed.values() for place in places})
    known = list(among(db, query, locations.c.path, paths))
    holder = {row.path: row.ordinal for row in known}
    own = {(row.path, row.uri) for row in known}
    rows: list[dict[str, Any]] = []
    for ordinal, places in placed.items():
        for path, uri, mtime_ns, size, ctime_ns, *second in places:
            if holder.setdefault(path, ordinal) != ordinal or (path, uri) in own:
                continue
            own.add((path, uri))
            rows.append(
                {
                    "path": path,
                    "uri": uri,
                    "ordinal": ordinal,
                    "mtime_ns": mtime_ns,
                    "bytes": size,
                    "ctime_ns": ctime_ns,
                    "sha256": next(iter(second), ""),
                }
            )
    add_rows(db, locations, rows)


def put_claims_back(db: Connection, said_of: Mapping[int, Sequence[Sequence[Any]]]) -> None:
    """Note again what sources said of images' places, in the stead of what they say now."""
    query = select(locations.c.ordinal, locations.c.path, locations.c.uri)
    placed = among(db, query, locations.c.ordinal, list(said_of))
    own = {(row.ordinal, row.path, row.uri) for row in placed}
    rows = [
        {
            "source": source,
            "path": path,
            "uri": uri,
            "inode": inode,
            "tags": tagged,
            "metadata": said,
        }
        for ordinal, claims in said_of.items()
        for source, path, uri, inode, tagged, said in claims
        if (ordinal, path, uri) in own
    ]
    at = tuple_(origins.c.source, origins.c.path, origins.c.uri)
    for some in some_of([(row["source"], row["path"], row["uri"]) for row in rows]):
        db.execute(delete(origins).where(at.in_(some)))
    add_rows(db, origins, rows)


def _tags(found: dict[str, State]) -> list[tuple[str, str, str]]:
    return [(i, key, tag) for i, one in found.items() for key, tag in one["tags"].items()]


def _tag(ordinal: int, key: str, tag: str) -> dict[str, Any]:
    return {"ordinal": ordinal, "key": key, "tag": tag}


@dataclass
class KeptForTrash:
    """Files that the trash needs: images by id with their paths and SHA-256; shards of features.

    `shards`: by fingerprint and number, how many rows of it are needed at least.
    """

    images: dict[str, dict[str, str]]
    shards: dict[str, dict[int, int]]


def kept_for_trash(db: Connection) -> KeptForTrash:
    """Return the files that images in the trash need; a catalogue of an older version has none."""
    found = KeptForTrash({}, {})
    if not inspect(db).has_table(trash.name):
        return found
    for row in db.execute(select(trash.c.id, trash.c.record)):
        places = Trashed(row.id, "", row.record).places
        found.images[row.id] = {place.path: place.sha256 for place in places}
        for fingerprint, shard, at in row.record["features"]:
            needed = found.shards.setdefault(fingerprint, {})
            needed[shard] = max(needed.get(shard, 0), at + 1)
    return found


def forget_shard(db: Connection, fingerprint: str, shard: int) -> None:
    """Drop a shard of features that is no more from what brings images back."""
    if not inspect(db).has_table(trash.name):
        return
    its_place = [fingerprint, shard]
    for row in db.execute(select(trash.c.id, trash.c.record)).all():
        kept = [place for place in row.record["features"] if place[:2] != its_place]
        if len(kept) < len(row.record["features"]):
            record = row.record | {"features": kept}
            db.execute(update(trash).where(trash.c.id == row.id).values(record=record))
