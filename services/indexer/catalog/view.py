"""The catalogue at one moment, which a snapshot is made from."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Select, func, select

from services.indexer.catalog.database import Database, revision
from services.indexer.catalog.feature_places import FeatureRows
from services.indexer.catalog.schema import features, images, locations, tags
from shared.media.names import is_raw
from shared.snapshots.items import Item

_ROWS_AT_ONCE = 50_000
_ITEMS_AT_ONCE = 50_000


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
        """Connection for other readers of the same moment."""
        return self._db

    def __exit__(self, *details: Any) -> None:
        self._block.__exit__(*details)

    def features(self, fingerprint: str, since: int = 0, beside: str | None = None) -> FeatureRows:
        """Return the places of a model's features, of images whose features came after `since`.

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
        # In batches: a million rows of Python numbers take a hundred times the memory of arrays.
        parts = [np.array([tuple(row) for row in part]) for part in rows.partitions(_ROWS_AT_ONCE)]
        table = np.concatenate(parts) if parts else np.empty((0, 3), np.int64)
        return FeatureRows(table[:, 0], table[:, 1], table[:, 2])

    def items(self, fingerprint: str, since: int = 0) -> list[Item]:
        """Images with features of a model, changed after `since`."""
        has = select(features.c.ordinal).where(features.c.fingerprint == fingerprint)
        condition: ColumnElement[bool] = has.where(features.c.ordinal == images.c.ordinal).exists()
        if since:
            # Two queries, each with its own index: a single join condition would scan all images.
            changed = select(images.c.ordinal).where(images.c.revision > since)
            condition &= images.c.ordinal.in_(changed.union(_embedded_since(since, fingerprint)))
        return items_of(self._db, condition)

    def each_item(self, fingerprint: str) -> Iterator[Item]:
        """Images with features of a model, by ascending ordinal; memory holds a batch of them."""
        has = select(features.c.ordinal).where(features.c.fingerprint == fingerprint)
        condition = has.where(features.c.ordinal == images.c.ordinal).exists()
        last = self._db.execute(select(func.max(images.c.ordinal))).scalar() or 0
        for start in range(0, last + 1, _ITEMS_AT_ONCE):
            within = images.c.ordinal.between(start, start + _ITEMS_AT_ONCE - 1)
            yield from items_of(self._db, within & condition)

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


def items_of(db: Connection, condition: ColumnElement[bool]) -> list[Item]:
    """Return the answer records of the images that meet a condition on the table `images`."""
    chosen = select(
        images.c.ordinal,
        images.c.id,
        images.c.metadata,
        images.c.created_at,
        images.c.file,
        images.c.bytes,
    ).where(condition)
    found = {
        ordinal: Item(
            ordinal,
            image_id,
            [],
            [],
            metadata,
            added_at=created_at,
            file=(file or {}) | ({"bytes": size} if size else {}),
        )
        for ordinal, image_id, metadata, created_at, file, size in db.execute(
            chosen.order_by(images.c.ordinal)
        ).all()
    }
    # Repeat the condition, because a list of that many ordinals is slower.
    tagged = select(tags.c.ordinal, tags.c.tag).join(images, images.c.ordinal == tags.c.ordinal)
    for ordinal, tag in db.execute(tagged.where(condition).order_by(tags.c.ordinal, tags.c.key)):
        found[ordinal].tags.append(tag)
    placed = select(locations.c.ordinal, locations.c.uri).join(
        images, images.c.ordinal == locations.c.ordinal
    )
    for ordinal, uri in db.execute(placed.where(condition).order_by(locations.c.uri)).all():
        uris = found[ordinal].uris
        if uri not in uris:
            uris.append(uri)
    for item in found.values():
        if len(item.uris) > 1:
            # The first one names the file that is shown.
            item.uris.sort(key=is_raw)
    return list(found.values())
