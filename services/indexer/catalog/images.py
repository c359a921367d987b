"""The images of the catalogue: identity, places, tags, metadata, and where their features are."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from services.indexer.catalog import bulk_sql
from services.indexer.catalog.bulk_sql import add_rows, among
from services.indexer.catalog.database import Database, next_revision, revision
from services.indexer.catalog.entry import Entry
from services.indexer.catalog.facts import put_facts
from services.indexer.catalog.feature_places import FeaturePlace, put_features
from services.indexer.catalog.fingerprints import check_together
from services.indexer.catalog.joining import Saying, differ, joined, over_bounds
from services.indexer.catalog.known_file import KnownFile, known_files, with_features
from services.indexer.catalog.locations import (
    Annotations,
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
from services.indexer.catalog.remembering import recall, remember, remember_placeless
from services.indexer.catalog.schema import features, images, locations, tags
from services.indexer.catalog.second_files import promote_second_files
from services.indexer.catalog.source_claims import dismiss_claimed
from services.indexer.catalog.tagging import add_tags
from services.indexer.catalog.trash import forget_trashed, keeping, put_in_trash
from services.indexer.catalog.undo_log import noting
from services.indexer.catalog.upload_settling import settled
from services.indexer.catalog.view import View, items_of
from shared.core.errors import NotFound
from shared.media.names import is_raw
from shared.snapshots.items import Item


class Images:
    """Reads and changes the images. Each change of an image gives it the next revision."""

    def __init__(self, database: Database, keeps_deleted: bool = False) -> None:
        """`keeps_deleted`: what is deleted goes to the trash."""
        self.database = database
        self.keeps_deleted = keeps_deleted

    def record(
        self,
        entries: Sequence[Entry],
        places: Mapping[str, Sequence[FeaturePlace]],
        bury: Bury | None = None,
        undo: str | None = None,
        uploads: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Adds images, or joins places, tags and metadata to those that are there.

        `places` gives, by image id, where features were stored. An image whose path another one
        has now loses the path. Gives the ids of those that so lost their last one: they stay, and
        so do the tags of those that lost another, unless `bury` is given, which deletes. `undo`:
        the job that the change can be taken back by. `uploads`: the entries are uploads; see
        `settled` for this and what it raises.
        """
        with (
            self.database.write() as db,
            noting(db, undo, _touched(db, entries) if undo else ()) as changing,
        ):
            if uploads is not None:
                entries = settled(db, entries, uploads)
            for fingerprint in {place.fingerprint for some in places.values() for place in some}:
                check_together(db, fingerprint)
            change = next_revision(db)
            before = annotations_of(db, _touched(db, entries)) if bury else {}
            if bury and undo and self.keeps_deleted:
                taken = [entry.place.path for entry in entries]
                bury = keeping(db, bury, at_paths(db, taken), {entry.id for entry in entries})
            numbers, new, changed = _put(db, entries, change)
            changing.update(numbers.values())
            moved, lost = put_places(db, [(numbers[e.id], e.place) for e in entries])
            changed |= moved | lost | add_tags(db, [(numbers[e.id], e.tags) for e in entries], new)
            touch(db, changed - new, change)
            if bury:
                # Other sources may describe the file that a new image replaced.
                for ordinal in numbers.values():
                    before.setdefault(ordinal, Annotations())
            put_features(db, {numbers[e.id]: places.get(e.id, ()) for e in entries}, new, change)
            write_claims(
                db,
                [
                    SourceEntry(
                        entry.source, entry.id, entry.place, tuple(entry.tags), entry.metadata
                    )
                    for entry in entries
                    if entry.source
                ],
            )
            # Adding a picture that was deleted brings it back.
            paths, ids = [e.place.path for e in entries], [e.id for e in entries]
            forget_dismissed(db, paths, ids)
            forget_trashed(db, ids)
            if bury:
                remember_placeless(db, before, change)
            follow(db, before, change)
            recall(db, new)
            promote_second_files(db, lost)
            return left_without_place(db, lost, bury)

    def record_features(
        self, entries: Sequence[Entry], places: Mapping[str, Sequence[FeaturePlace]]
    ) -> list[str]:
        """Note where features of images that are still there were stored, and their files' facts.

        Nothing else of the entries: they were read a while ago, and images may have been deleted,
        moved or retagged since. Gives the ids of those that lost their last path: none.
        """
        with self.database.write() as db:
            columns = select(images.c.id, images.c.ordinal, images.c.file)
            there = {
                row.id: row for row in among(db, columns, images.c.id, [e.id for e in entries])
            }
            present = [entry for entry in entries if entry.id in there]
            if present:
                for fingerprint in {one.fingerprint for some in places.values() for one in some}:
                    check_together(db, fingerprint)
                change = next_revision(db)
                touch(db, put_facts(db, present, there), change)
                stored = {there[e.id].ordinal: places.get(e.id, ()) for e in present}
                put_features(db, stored, (), change)
        return []

    def over_bounds(self, annotations: Sequence[Saying]) -> dict[int, str]:
        """Return those that are more than their images can hold, each with the reason."""
        with self.database.read() as db:
            return over_bounds(db, annotations)

    def patch(
        self,
        image_id: str,
        new_tags: list[str] | None,
        metadata: dict[str, Any] | None,
        undo: str | None = None,
    ) -> None:
        """Replaces tags or metadata; `undo` takes it back. Raises NotFound."""
        with self.database.write() as db:
            ordinal = self._ordinal(db, image_id)
            with noting(db, undo, [ordinal]):
                self._patch(db, ordinal, new_tags, metadata)

    @staticmethod
    def _patch(
        db: Connection,
        ordinal: int,
        new_tags: list[str] | None,
        metadata: dict[str, Any] | None,
    ) -> None:
        change = next_revision(db)
        if new_tags is not None:
            db.execute(delete(tags).where(tags.c.ordinal == ordinal))
            add_tags(db, [(ordinal, new_tags)], new=[ordinal])
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

    def remove(
        self, ordinals: Sequence[int], by_sync: bool = False, undo: str | None = None
    ) -> None:
        """Takes images out, with all that belongs to them; what users said of them is remembered.

        They go to the trash, where there is one, and a sync leaves their files out as long as they
        are there; `by_sync`: not those of what a sync deleted. `undo`: the job that brings them
        back.
        """
        if not ordinals:
            return
        with self.database.write() as db, noting(db, undo, ordinals):
            if not by_sync:
                dismiss_claimed(db, ordinals)
            remember(db, annotations_of(db, ordinals), revision(db))
            if self.keeps_deleted:
                put_in_trash(db, ordinals)
            remove_images(db, ordinals)

    def get(self, image_id: str) -> tuple[Row[Any], Item]:
        """The catalogue's row and what an answer says of an image. Raises NotFound."""
        with self.database.read() as db:
            row = db.execute(select(images).where(images.c.id == image_id)).first()
            if row is None:
                raise NotFound(f"There is no image {image_id!r}.")
            return row, items_of(db, images.c.id == image_id)[0]

    def places(self, image_id: str) -> list[Place]:
        """Return the places of an image's bytes, RAW files last. Raises NotFound."""
        with self.database.read() as db:
            ordinal = self._ordinal(db, image_id)
            rows = db.execute(
                select(locations, images.c.sha256.label("own"))
                .join(images, images.c.ordinal == locations.c.ordinal)
                .where(locations.c.ordinal == ordinal)
                .order_by(locations.c.path)
            )
            found = [
                Place(r.path, r.uri, r.mtime_ns, r.bytes, sha256=r.sha256 or r.own) for r in rows
            ]
            return sorted(found, key=lambda place: is_raw(place.uri))

    def count(self) -> int:
        with self.database.read() as db:
            return int(db.execute(select(func.count()).select_from(images)).scalar_one())

    def known(self, ids: Sequence[str], fingerprints: Iterable[str]) -> set[str]:
        """Return the subset of these ids that have features of all these fingerprints."""
        with self.database.read() as db:
            return with_features(db, ids, fingerprints)

    def held(
        self, files: Sequence[tuple[str, str]], fingerprints: Iterable[str]
    ) -> dict[tuple[str, str], KnownFile]:
        """Return the known files by path and uri; files that are new, at least under this uri, are
        left out.
        """
        with self.database.read() as db:
            return known_files(db, files, fingerprints)

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
        with self.database.read() as db:
            rows = among(db, select(images.c.id), images.c.ordinal, ordinals)
            return {row.id for row in rows}

    def all_ordinals(self) -> list[int]:
        with self.database.read() as db:
            return list(db.execute(select(images.c.ordinal)).scalars())

    def newest(self) -> int:
        """The largest number that was ever given to an image; 0 where none was.

        Also where that image was deleted.
        """
        with self.database.read() as db:
            return self.database.kind.newest_ordinal(db)

    def view(self) -> View:
        """The catalogue at one moment, to be read within a `with` block."""
        return View(self.database)


def _put(
    db: Connection, entries: Sequence[Entry], change: int
) -> tuple[dict[str, int], set[int], set[int]]:
    """Adds the images that aren't there, and joins metadata to that of those that are.

    Gives the numbers of all by their ids; those of new images; and those that it changed.
    """
    columns = select(images.c.id, images.c.ordinal, images.c.metadata, images.c.file)
    there = {row.id: row for row in among(db, columns, images.c.id, [e.id for e in entries])}
    metadata: dict[str, dict[str, Any]] = {row.id: dict(row.metadata) for row in there.values()}
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.id, entry)
        metadata[entry.id] = joined(metadata.get(entry.id, {}), entry.metadata)
    new = [entry for entry in first.values() if entry.id not in there]
    add_rows(db, images, [_row(entry, metadata[entry.id], change) for entry in new])
    numbers = {image_id: row.ordinal for image_id, row in there.items()}
    added = among(db, select(images.c.id, images.c.ordinal), images.c.id, [e.id for e in new])
    numbers.update((row.id, row.ordinal) for row in added)
    described = [
        {"its_ordinal": row.ordinal, "metadata": metadata[row.id]}
        for row in there.values()
        if differ(metadata[row.id], row.metadata)
    ]
    if described:
        db.execute(bulk_sql.DESCRIBE, described)
    changed = {row["its_ordinal"] for row in described}
    changed |= put_facts(db, entries, there)
    return numbers, {numbers[entry.id] for entry in new}, changed


def _row(entry: Entry, metadata: dict[str, Any], change: int) -> dict[str, Any]:
    return {
        "id": entry.id,
        "sha256": entry.sha256,
        "bytes": entry.place.bytes,
        "metadata": metadata,
        "revision": change,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "file": None if entry.file is None else dict(entry.file),
    }


def _touched(db: Connection, entries: Sequence[Entry]) -> set[int]:
    """The images that these entries name, and those that are at their paths."""
    ids = [entry.id for entry in entries]
    named = among(db, select(images.c.ordinal), images.c.id, ids)
    return {row.ordinal for row in named} | at_paths(db, [entry.place.path for entry in entries])
