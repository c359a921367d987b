"""The images of the catalogue: identity, places, tags, metadata, and where their features are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, delete, func, select, update

from services.indexer.catalog import statements
from services.indexer.catalog.database import Database, next_revision, revision
from services.indexer.catalog.fingerprints import check_together
from services.indexer.catalog.places import (
    MANY,
    Bury,
    Claim,
    Place,
    Said,
    follow,
    forget_dismissed,
    left_without_place,
    put_place,
    remove_images,
    said_of,
    write_claims,
)
from services.indexer.catalog.schema import features, images, locations, tags
from shared.errors import NotFound
from shared.snapshots.items import Item, tag_key

_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Entry:
    """An image as it came in: its identity, one place, and what is said of it.

    `source`: the folder or manifest that it came from, if it did.
    """

    id: str
    sha256: str
    place: Place
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class FeatureRows:
    """Where the features of images are: three int64 arrays of shape (n,)."""

    ordinals: NDArray[np.int64]
    shards: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ordinals)

    def __getitem__(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> "FeatureRows":
        return FeatureRows(self.ordinals[chosen], self.shards[chosen], self.rows[chosen])


@dataclass(frozen=True)
class FeaturePlace:
    """Where the features of one image were stored."""

    fingerprint: str
    shard: int
    row: int


class Images:
    """Reads and changes the images. Each change of an image gives it the next revision."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def record(
        self,
        entries: Sequence[Entry],
        places: Mapping[str, Sequence[FeaturePlace]],
        bury: Bury | None = None,
    ) -> list[str]:
        """Adds images, or joins places, tags and metadata to those that are there.

        `places` gives, by image id, where features were stored. An image whose path another one
        has now loses the path. Gives the ids of those that so lost their last one: they stay, and
        so do the tags of those that lost another, unless `bury` is given, which deletes.
        """
        with self.database.write() as db:
            for fingerprint in {place.fingerprint for some in places.values() for place in some}:
                check_together(db, fingerprint)
            change = next_revision(db)
            before = said_of(db, _touched(db, entries)) if bury else {}
            lost: set[int] = set()
            stored: dict[tuple[str, int], dict[str, Any]] = {}
            for entry in entries:
                ordinal, former = self._upsert(db, entry, change)
                lost |= former
                if bury:
                    # Other sources may say something of the file that a new image has taken over.
                    before.setdefault(ordinal, Said())
                for found in places.get(entry.id, ()):
                    # Several entries may be one image: once is enough.
                    stored[found.fingerprint, ordinal] = {
                        "fingerprint": found.fingerprint,
                        "ordinal": ordinal,
                        "shard": found.shard,
                        "row": found.row,
                        "revision": change,
                    }
            if stored:
                db.execute(statements.FORGET_FEATURES, list(stored.values()))
                db.execute(statements.ADD_FEATURES, list(stored.values()))
            write_claims(
                db,
                [
                    Claim(entry.source, entry.id, entry.place, tuple(entry.tags), entry.metadata)
                    for entry in entries
                    if entry.source
                ],
            )
            # Whoever brings a picture that was deleted wants it back.
            paths, ids = [e.place.path for e in entries], [e.id for e in entries]
            forget_dismissed(db, paths, ids)
            follow(db, before, change)
            return left_without_place(db, lost, bury)

    def _upsert(self, db: Connection, entry: Entry, change: int) -> tuple[int, set[int]]:
        """The image's number, and the images that lose their path to it."""
        row = db.execute(statements.IMAGE, {"id": entry.id}).first()
        if row is None:
            done = db.execute(
                statements.ADD_IMAGE,
                {
                    "id": entry.id,
                    "sha256": entry.sha256,
                    "bytes": entry.place.bytes,
                    "metadata": dict(entry.metadata),
                    "revision": change,
                    "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
                },
            )
            key = done.inserted_primary_key
            if key is None:
                raise RuntimeError("the database gave no number to a new image")
            ordinal = int(key[0])
            changed = False
        else:
            ordinal = row.ordinal
            joined = {**row.metadata, **entry.metadata}
            changed = joined != row.metadata
            if changed:
                db.execute(
                    update(images).where(images.c.ordinal == ordinal).values(metadata=joined)
                )
        moved, former = put_place(db, ordinal, entry.place, change)
        changed |= moved
        changed |= self._tag(db, ordinal, entry.tags)
        if changed:
            db.execute(statements.CHANGED, {"image": ordinal, "change": change})
        return ordinal, former

    @staticmethod
    def _tag(db: Connection, ordinal: int, given: Iterable[str]) -> bool:
        """Gives whether a tag was new to the image."""
        wanted: dict[str, str] = {}
        for tag in given:
            wanted.setdefault(tag_key(tag), tag)
        if not wanted:
            return False
        there = set(db.execute(statements.TAG_KEYS, {"image": ordinal}).scalars())
        new = [
            {"ordinal": ordinal, "key": k, "tag": t} for k, t in wanted.items() if k not in there
        ]
        if new:
            db.execute(statements.ADD_TAGS, new)
        return bool(new)

    def patch(
        self, image_id: str, new_tags: list[str] | None, metadata: dict[str, Any] | None
    ) -> None:
        """Replaces tags or metadata. Raises NotFound."""
        with self.database.write() as db:
            ordinal = self._ordinal(db, image_id)
            change = next_revision(db)
            if new_tags is not None:
                db.execute(delete(tags).where(tags.c.ordinal == ordinal))
                self._tag(db, ordinal, new_tags)
            values: dict[str, Any] = {"revision": change}
            if metadata is not None:
                values["metadata"] = metadata
            db.execute(update(images).where(images.c.ordinal == ordinal).values(values))

    def ordinal(self, image_id: str) -> int:
        """The image's number. Raises NotFound."""
        with self.database.read() as db:
            return self._ordinal(db, image_id)

    @staticmethod
    def _ordinal(db: Connection, image_id: str) -> int:
        found = db.execute(select(images.c.ordinal).where(images.c.id == image_id)).scalar()
        if found is None:
            raise NotFound(f"There is no image {image_id!r}.")
        return int(found)

    def remove(self, ordinals: Sequence[int]) -> None:
        """Takes images out, with all that belongs to them."""
        with self.database.write() as db:
            remove_images(db, ordinals)

    def get(self, image_id: str) -> tuple[Row[Any], Item]:
        """The catalogue's row and what an answer says of an image. Raises NotFound."""
        with self.database.read() as db:
            row = db.execute(select(images).where(images.c.id == image_id)).first()
            if row is None:
                raise NotFound(f"There is no image {image_id!r}.")
            return row, _items(db, select(images).where(images.c.id == image_id))[0]

    def places(self, image_id: str) -> list[Place]:
        """Where an image's bytes are. Raises NotFound."""
        with self.database.read() as db:
            ordinal = self._ordinal(db, image_id)
            rows = db.execute(
                select(locations).where(locations.c.ordinal == ordinal).order_by(locations.c.path)
            )
            return [Place(r.path, r.uri, r.mtime_ns, r.bytes) for r in rows]

    def count(self) -> int:
        with self.database.read() as db:
            return int(db.execute(select(func.count()).select_from(images)).scalar_one())

    def known(self, ids: Sequence[str], fingerprints: Iterable[str]) -> set[str]:
        """Which of these ids are there with features of all these fingerprints."""
        wanted = set(fingerprints)
        asked = {"ids": list(ids), "fingerprints": list(wanted), "count": len(wanted)}
        with self.database.read() as db:
            return set(db.execute(statements.KNOWN, asked).scalars())

    def unchanged(
        self, path: str, uri: str, mtime_ns: int, size: int
    ) -> tuple[str, set[str]] | None:
        """Id and tag keys of the image that a file held when it was last read.

        None when the file is new, at least under this uri, or was written since.
        """
        with self.database.read() as db:
            asked = {"path": path, "uri": uri, "mtime_ns": mtime_ns, "bytes": size}
            row = db.execute(statements.UNCHANGED, asked).first()
            if row is None:
                return None
            keys = db.execute(statements.TAG_KEYS, {"image": row.ordinal}).scalars()
            return row.id, set(keys)

    def without_features(self, fingerprint: str) -> list[str]:
        """Ids of the images that have no features of this fingerprint."""
        has = select(features.c.ordinal).where(features.c.fingerprint == fingerprint)
        with self.database.read() as db:
            rows = db.execute(select(images.c.id).where(images.c.ordinal.not_in(has)))
            return list(rows.scalars())

    def tag_keys(self) -> set[str]:
        """The key of every tag that an image carries."""
        with self.database.read() as db:
            return set(db.execute(select(tags.c.key).distinct()).scalars())

    def ids(self, ordinals: Sequence[int]) -> set[str]:
        """The ids of the images with these numbers; those that were deleted have none."""
        found: set[str] = set()
        with self.database.read() as db:
            for start in range(0, len(ordinals), MANY):
                some = ordinals[start : start + MANY]
                query = select(images.c.id).where(images.c.ordinal.in_(some))
                found.update(db.execute(query).scalars())
        return found

    def all_ordinals(self) -> list[int]:
        with self.database.read() as db:
            return list(db.execute(select(images.c.ordinal)).scalars())

    def newest(self) -> int:
        """The largest number that was ever given to an image; 0 where none was.

        SQLite keeps it also where that image was deleted.
        """
        with self.database.read() as db:
            if db.dialect.name == "sqlite":
                kept = "SELECT seq FROM sqlite_sequence WHERE name = 'images'"
                return int(db.exec_driver_sql(kept).scalar() or 0)
            return int(db.execute(select(func.max(images.c.ordinal))).scalar() or 0)

    def view(self) -> "View":
        """The catalogue at one moment, to be read within a `with` block."""
        return View(self.database)


class View:
    """The catalogue at one moment: `revision` and what is read belong together."""

    def __init__(self, database: Database) -> None:
        self._block = database.read()

    def __enter__(self) -> "View":
        self._db = self._block.__enter__()
        self.revision = revision(self._db)
        return self

    @property
    def connection(self) -> Connection:
        """For other readers of the same moment."""
        return self._db

    def __exit__(self, *details: Any) -> None:
        self._block.__exit__(*details)

    def features(self, fingerprint: str, since: int = 0, beside: str | None = None) -> FeatureRows:
        """Where the features of a model are, of images whose features came after `since`.

        `beside`: only of images that have features of this model too, and either came after.
        """
        query = select(features.c.ordinal, features.c.shard, features.c.row)
        if beside is not None and beside != fingerprint:
            other = features.alias()
            has = select(other.c.ordinal).where(other.c.fingerprint == beside)
            query = query.where(has.where(other.c.ordinal == features.c.ordinal).exists())
        if since:
            query = query.where(
                features.c.ordinal.in_(_embedded_since(since, fingerprint, beside or fingerprint))
            )
        rows = self._db.execute(
            query.where(features.c.fingerprint == fingerprint).order_by(
                features.c.shard, features.c.row
            )
        )
        # In parts: a million rows of Python numbers take a hundred times what the arrays do.
        parts = [np.array([tuple(row) for row in part]) for part in rows.partitions(_ROWS_AT_ONCE)]
        table = np.concatenate(parts) if parts else np.empty((0, 3), np.int64)
        return FeatureRows(table[:, 0], table[:, 1], table[:, 2])

    def items(self, fingerprint: str, since: int = 0) -> list[Item]:
        """Images with features of a model, changed after `since`."""
        has = select(features.c.ordinal).where(features.c.fingerprint == fingerprint)
        query = select(images).where(has.where(features.c.ordinal == images.c.ordinal).exists())
        if since:
            # Two ranges of two indexes: as one condition of a join, all images would be looked at.
            changed = select(images.c.ordinal).where(images.c.revision > since)
            query = query.where(
                images.c.ordinal.in_(changed.union(_embedded_since(since, fingerprint)))
            )
        return _items(self._db, query)

    def tags_by_ordinal(self) -> dict[int, list[str]]:
        """The tags of each tagged image, as tag keys."""
        found: dict[int, list[str]] = {}
        rows = self._db.execute(
            select(tags.c.ordinal, tags.c.key).order_by(tags.c.ordinal, tags.c.key)
        )
        for ordinal, key in rows:
            found.setdefault(ordinal, []).append(key)
        return found


def _embedded_since(since: int, *fingerprints: str) -> Select[tuple[int]]:
    """Ordinals of the images whose features of one of these models came after a revision."""
    return select(features.c.ordinal).where(
        features.c.fingerprint.in_(fingerprints), features.c.revision > since
    )


def _touched(db: Connection, entries: Sequence[Entry]) -> set[int]:
    """The images that these entries name, and those that are at their paths."""
    found: set[int] = set()
    for start in range(0, len(entries), MANY):
        some = entries[start : start + MANY]
        named = select(images.c.ordinal).where(images.c.id.in_([entry.id for entry in some]))
        paths = [entry.place.path for entry in some]
        placed = select(locations.c.ordinal).where(locations.c.path.in_(paths))
        found.update(db.execute(named.union(placed)).scalars())
    return found


def _items(db: Connection, query: Select[Any]) -> list[Item]:
    rows = db.execute(query.order_by(images.c.ordinal)).all()
    found: dict[int, Item] = {
        row.ordinal: Item(row.ordinal, row.id, [], [], row.metadata) for row in rows
    }
    ordinals = list(found)
    for start in range(0, len(ordinals), MANY):
        some = ordinals[start : start + MANY]
        tagged = select(tags.c.ordinal, tags.c.tag).where(tags.c.ordinal.in_(some))
        for ordinal, tag in db.execute(tagged.order_by(tags.c.key)):
            found[ordinal].tags.append(tag)
        placed = select(locations.c.ordinal, locations.c.uri).where(locations.c.ordinal.in_(some))
        for ordinal, uri in db.execute(placed.order_by(locations.c.uri)):
            if uri not in found[ordinal].uris:
                found[ordinal].uris.append(uri)
    return list(found.values())
