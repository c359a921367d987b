"""All that the catalogue has of an image, as one JSON object: for the trash, and to undo."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, select

from services.indexer.catalog.bulk_sql import among
from services.indexer.catalog.schema import features, images, locations, origins, tags

State = dict[str, Any]
"""`tags`: texts by key. `metadata`. `places`: (path, uri, mtime_ns, bytes, ctime_ns, sha256).
`claims`: of sources: (source, path, uri, inode, tags, metadata).
`own`: SHA-256 and size of the image's own file; older ones have none."""


def states_of(db: Connection, ordinals: Collection[int]) -> dict[str, State]:
    """Return the tags, metadata, places and claims of these images, by id."""
    wanted = sorted(set(ordinals))
    query = select(
        images.c.ordinal, images.c.id, images.c.metadata, images.c.sha256, images.c.bytes
    )
    rows = list(among(db, query, images.c.ordinal, wanted))
    numbered: dict[int, State] = {
        row.ordinal: {
            "tags": {},
            "metadata": row.metadata,
            "places": [],
            "claims": [],
            "own": [row.sha256, row.bytes],
        }
        for row in rows
    }
    for row in among(db, select(tags).order_by(tags.c.key), tags.c.ordinal, wanted):
        numbered[row.ordinal]["tags"][row.key] = row.tag
    placed = select(locations).order_by(locations.c.path, locations.c.uri)
    for row in among(db, placed, locations.c.ordinal, wanted):
        place = [row.path, row.uri, row.mtime_ns, row.bytes, row.ctime_ns, row.sha256]
        numbered[row.ordinal]["places"].append(place)
    claimed = (
        select(locations.c.ordinal, origins)
        .join(origins, (origins.c.path == locations.c.path) & (origins.c.uri == locations.c.uri))
        .order_by(origins.c.source, origins.c.path, origins.c.uri)
    )
    for row in among(db, claimed, locations.c.ordinal, wanted):
        claim = [row.source, row.path, row.uri, row.inode, row.tags, row.metadata]
        numbered[row.ordinal]["claims"].append(claim)
    return {row.id: numbered[row.ordinal] for row in rows}


def records_of(db: Connection, ordinals: Collection[int]) -> dict[str, State]:
    """Return the same with what a new row of each image needs, and where its features are."""
    wanted = sorted(set(ordinals))
    found = states_of(db, wanted)
    ids: dict[int, str] = {}
    for row in among(db, select(images), images.c.ordinal, wanted):
        ids[row.ordinal] = row.id
        found[row.id] |= {
            "sha256": row.sha256,
            "bytes": row.bytes,
            "created_at": row.created_at,
            "file": row.file,
            "features": [],
        }
    for row in among(db, select(features), features.c.ordinal, wanted):
        place = [row.fingerprint, row.shard, row.row]
        found[ids[row.ordinal]]["features"].append(place)
    return found
