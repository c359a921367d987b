"""Pictures of several files, as a RAW and its JPEG: the one stays when the other goes."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from sqlalchemy import Connection, select, update

from services.indexer.catalog.bulk_sql import among
from services.indexer.catalog.schema import images, locations
from shared.media.names import is_raw


def promote_second_files(db: Connection, ordinals: Iterable[int]) -> None:
    """Make a second file the own one of each image that has lost its own.

    The image keeps its id, tags and features: it is the same picture.
    """
    wanted = sorted(set(ordinals))
    left: dict[int, list[tuple[str, str, int]]] = {}
    for row in among(db, select(locations), locations.c.ordinal, wanted):
        left.setdefault(row.ordinal, []).append((row.sha256, row.uri, row.bytes))
    for ordinal, files in left.items():
        if not all(sha256 for sha256, _, _ in files):
            continue
        sha256, uri, size = min(files, key=lambda file: (is_raw(file[1]), file[1]))
        facts = db.execute(select(images.c.file).where(images.c.ordinal == ordinal)).scalar()
        if facts is not None:
            facts = facts | {"format": PurePosixPath(uri).suffix[1:].upper()}
        db.execute(
            update(images)
            .where(images.c.ordinal == ordinal)
            .values(sha256=sha256, bytes=size, file=facts)
        )
        its = (locations.c.ordinal == ordinal) & (locations.c.sha256 == sha256)
        db.execute(update(locations).where(its).values(sha256=""))
