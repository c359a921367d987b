"""Catalogue's knowledge of files."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from services.indexer.catalog.bulk_sql import among
from services.indexer.catalog.schema import features, images, locations, origins, tags


@dataclass(frozen=True)
class KnownFile:
    """A file as last read, and its image.

    `versions`: version numbers, if a store has them. `tags`: keys of the image's tags. `is_known`:
    whether its features exist. `ctime_ns`: 0 if unknown.
    """

    image_id: str
    mtime_ns: int
    bytes: int
    versions: Set[int]
    tags: Set[str]
    is_known: bool
    ctime_ns: int = 0

    def is_still(
        self, mtime_ns: int, size: int, version: int | None = None, ctime_ns: int = 0
    ) -> bool:
        """Return whether the file is unchanged since it was recorded.

        `version`: its present number, if the store has one, because times may be in whole seconds.
        """
        same = (self.mtime_ns, self.bytes) == (mtime_ns, size)
        same = same and (self.ctime_ns == 0 or self.ctime_ns == ctime_ns)
        return same and (version is None or version in self.versions)


def known_files(
    db: Connection, files: Sequence[tuple[str, str]], fingerprints: Iterable[str]
) -> dict[tuple[str, str], KnownFile]:
    """Return the known ones of files, by path and uri."""
    paths = list({path for path, _ in files})
    placed = select(locations, images.c.id).join(images, images.c.ordinal == locations.c.ordinal)
    rows = list(among(db, placed, locations.c.path, paths))
    keys: dict[int, set[str]] = {row.ordinal: set() for row in rows}
    for tag in among(db, select(tags.c.ordinal, tags.c.key), tags.c.ordinal, list(keys)):
        keys[tag.ordinal].add(tag.key)
    versions: dict[tuple[str, str], set[int]] = {(row.path, row.uri): set() for row in rows}
    claims = select(origins.c.path, origins.c.uri, origins.c.inode)
    for one in among(db, claims, origins.c.path, [row.path for row in rows]):
        versions[one.path, one.uri].add(one.inode)
    known = with_features(db, [row.id for row in rows], fingerprints)
    found = {
        at: KnownFile(
            row.id,
            row.mtime_ns,
            row.bytes,
            versions[at],
            keys[row.ordinal],
            row.id in known,
            row.ctime_ns,
        )
        for row in rows
        if (at := (row.path, row.uri))
    }
    return {at: found[at] for at in files if at in found}


def with_features(db: Connection, ids: Sequence[str], fingerprints: Iterable[str]) -> set[str]:
    """Return the subset of these ids that have features of all these fingerprints."""
    wanted = set(fingerprints)
    query = (
        select(images.c.id)
        .join(features, features.c.ordinal == images.c.ordinal)
        .where(features.c.fingerprint.in_(wanted))
        .group_by(images.c.id)
        .having(func.count() == len(wanted))
    )
    return {row.id for row in among(db, query, images.c.id, ids)}
