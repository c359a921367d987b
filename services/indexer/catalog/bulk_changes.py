"""Changes of many images at once, some in each transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select, update

from services.indexer.catalog import bulk_sql
from services.indexer.catalog.bulk_sql import add_rows, among, some_of
from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.joining import differ
from services.indexer.catalog.locations import bounded, merged, touch
from services.indexer.catalog.schema import images, tags
from services.indexer.catalog.undo_log import noting, numbers_of
from shared.contracts.annotations import MAX_TAGS, metadata_fault
from shared.snapshots.items import tag_key

AT_ONCE = 2000
"""Images that a transaction changes: others wait for no more than that."""


@dataclass
class BulkResult:
    """`failed`: the images that stayed as they are, by id, with the reason."""

    changed: int = 0
    unknown: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BulkEdit:
    """Tags to add and to take, and metadata to set; None removes a field."""

    add: Sequence[str] = ()
    remove: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


class BulkTable:
    """Changes many images; each change gets one revision."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def edit(self, ids: Sequence[str], edit: BulkEdit, undo: str) -> BulkResult:
        """Change tags and metadata of images, some in each transaction; `undo` takes all back."""
        result = BulkResult()
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), AT_ONCE):
            self._edit(wanted[start : start + AT_ONCE], edit, undo, result)
        return result

    def _edit(self, ids: Sequence[str], edit: BulkEdit, undo: str, result: BulkResult) -> None:
        with self._database.write() as db:
            numbers = numbers_of(db, ids)
            result.unknown += [i for i in ids if i not in numbers]
            with noting(db, undo, numbers.values()):
                changed: set[int] = set()
                wanted = self._fitting(db, numbers, edit, result)
                for ordinal, (carried, tagged, before, metadata) in wanted.items():
                    if tagged != carried or differ(metadata, before):
                        changed.add(ordinal)
                write_tags(db, {n: one[1] for n, one in wanted.items() if one[1] != one[0]})
                write_metadata(
                    db, {n: one[3] for n, one in wanted.items() if differ(one[3], one[2])}
                )
                if changed:
                    touch(db, changed, next_revision(db))
        result.changed += len(changed)

    @staticmethod
    def _fitting(
        db: Connection, numbers: Mapping[str, int], edit: BulkEdit, result: BulkResult
    ) -> dict[int, tuple[dict[str, str], dict[str, str], dict[str, Any], dict[str, Any]]]:
        """Tags and metadata of each image before and after; what can't be held is told of."""
        removed = {tag_key(tag) for tag in edit.remove}
        added = {tag_key(tag): tag for tag in edit.add}
        names = {ordinal: image_id for image_id, ordinal in numbers.items()}
        carried = carried_by(db, list(names))
        found = {}
        columns = select(images.c.ordinal, images.c.metadata)
        for row in among(db, columns, images.c.ordinal, list(names)):
            its = carried[row.ordinal]
            tagged = {key: tag for key, tag in its.items() if key not in removed}
            tagged |= {key: tag for key, tag in added.items() if key not in tagged}
            metadata = {**row.metadata, **edit.metadata}
            metadata = {
                key: value
                for key, value in metadata.items()
                if value is not None or key not in edit.metadata
            }
            fault = metadata_fault(metadata) if differ(metadata, row.metadata) else None
            if len(tagged) > max(MAX_TAGS, len(its)):
                result.failed[names[row.ordinal]] = (
                    f"With these tags, the image would have over {MAX_TAGS:,}; drop some first."
                )
            elif fault is not None:
                result.failed[names[row.ordinal]] = (
                    f"With these values, the image's metadata would be too large: {fault}."
                )
            else:
                found[row.ordinal] = its, tagged, row.metadata, metadata
        return found

    def rename(self, former: str, to: str, undo: str) -> tuple[int, int]:
        """Give all images with a tag another in its stead; give how many, and how many had it.

        Some in each transaction; `undo` takes all back.
        """
        renamed = merged_with = 0
        while True:
            some, both = self._rename(former, to, undo)
            renamed, merged_with = renamed + some, merged_with + both
            if some < AT_ONCE:
                return renamed, merged_with

    def _rename(self, former: str, to: str, undo: str) -> tuple[int, int]:
        old, new = tag_key(former), tag_key(to)
        with self._database.write() as db:
            # One key, another spelling: those that are written so already stay.
            is_it = tags.c.key == old
            if old == new:
                is_it = and_(is_it, tags.c.tag != to)
            query = select(tags.c.ordinal).where(is_it).order_by(tags.c.ordinal).limit(AT_ONCE)
            ordinals = list(db.execute(query).scalars())
            if not ordinals:
                return 0, 0
            is_it = and_(is_it, tags.c.ordinal.in_(ordinals))
            with noting(db, undo, ordinals):
                change = next_revision(db)
                merged_with: set[int] = set()
                if old == new:
                    db.execute(update(tags).where(is_it).values(tag=to))
                else:
                    both = select(tags.c.ordinal).where(tags.c.key == new)
                    merged_with = {row.ordinal for row in among(db, both, tags.c.ordinal, ordinals)}
                    db.execute(delete(tags).where(is_it))
                    rows = [
                        {"ordinal": ordinal, "key": new, "tag": to}
                        for ordinal in ordinals
                        if ordinal not in merged_with
                    ]
                    add_rows(db, tags, rows)
                touch(db, ordinals, change)
        return len(ordinals), len(merged_with)

    def has_tag(self, tag: str) -> bool:
        """Tell whether an image carries a tag."""
        query = select(tags.c.ordinal).where(or_(tags.c.key == tag_key(tag)))
        with self._database.read() as db:
            return db.execute(query.limit(1)).first() is not None


def carried_by(db: Connection, ordinals: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the tags of images by their keys."""
    carried: dict[int, dict[str, str]] = {ordinal: {} for ordinal in ordinals}
    for row in among(db, select(tags).order_by(tags.c.key), tags.c.ordinal, ordinals):
        carried[row.ordinal][row.key] = row.tag
    return carried


def write_tags(db: Connection, wanted: Mapping[int, Mapping[str, str]]) -> None:
    """Replace the tags of images."""
    for some in some_of(list(wanted)):
        db.execute(delete(tags).where(tags.c.ordinal.in_(some)))
    add_rows(
        db,
        tags,
        [
            {"ordinal": ordinal, "key": key, "tag": tag}
            for ordinal, its in wanted.items()
            for key, tag in bounded(its).items()
        ],
    )


def write_metadata(db: Connection, wanted: Mapping[int, Mapping[str, Any]]) -> None:
    """Replace the metadata of images."""
    values = [{"its_ordinal": n, "metadata": dict(said)} for n, said in wanted.items()]
    if values:
        db.execute(bulk_sql.DESCRIBE, values)


def take_back(
    present: Mapping[str, Any], former: Mapping[str, Any], later: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is there without the change from `former` to `later`."""
    return merged(present, later, former)
