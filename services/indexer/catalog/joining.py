"""Merges new annotations of images into existing ones, within the limits for both together."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from services.indexer.catalog.bulk_sql import among
from services.indexer.catalog.schema import images, tags
from shared.contracts.annotations import MAX_TAGS, metadata_fault
from shared.snapshots.items import tag_key

log = logging.getLogger(__name__)

Saying = tuple[str, Sequence[str], Mapping[str, Any]]
"""An image's id, and the tags and metadata that are to be joined to its own."""


def over_bounds(db: Connection, added: Sequence[Saying]) -> dict[int, str]:
    """Return the annotations that can't be merged, by index, each with the reason."""
    ids = list({image_id for image_id, tagged, metadata in added if tagged or metadata})
    columns = select(images.c.id, images.c.ordinal, images.c.metadata)
    there = {row.id: row for row in among(db, columns, images.c.id, ids)}
    names = {row.ordinal: row.id for row in there.values()}
    present: dict[str, dict[str, Any]] = {i: dict(row.metadata) for i, row in there.items()}
    keys: dict[str, set[str]] = {image_id: set() for image_id in there}
    carried = select(tags.c.ordinal, tags.c.key)
    for row in among(db, carried, tags.c.ordinal, list(names)):
        keys[names[row.ordinal]].add(row.key)
    found: dict[int, str] = {}
    for at, (image_id, tagged, metadata) in enumerate(added):
        before = present.get(image_id, {})
        both = {**before, **metadata}
        its_keys = keys.get(image_id, set()) | {tag_key(tag) for tag in tagged}
        fault = metadata_fault(both) if before and differ(both, before) else None
        if len(its_keys) > MAX_TAGS and its_keys != keys.get(image_id):
            found[at] = f"With these tags, the image would have over {MAX_TAGS:,}; drop some first."
        elif fault is not None:
            found[at] = f"With these values, the image's metadata would be too large: {fault}."
        else:
            present[image_id], keys[image_id] = both, its_keys
    return found


def differ(one: object, other: object) -> bool:
    """Return whether two JSON values differ: to Python, 1 is true, and 1.0 too."""
    return one != other or repr(one) != repr(other)


def joined(before: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with additions; unchanged if both together exceed the limits.

    Callers check `over_bounds` before; this covers changes made since then.
    """
    both = {**before, **more}
    if before and differ(both, before) and (fault := metadata_fault(both)) is not None:
        log.warning("metadata was not merged into an image's own: %s", fault)
        return dict(before)
    return both
