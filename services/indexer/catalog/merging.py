"""Tags and metadata of pictures that are about to be deleted, given to those that stay."""

from collections.abc import Sequence

from sqlalchemy import select

from services.indexer.catalog.bulk_changes import AT_ONCE, carried_by, write_metadata, write_tags
from services.indexer.catalog.bulk_sql import among
from services.indexer.catalog.database import Database, next_revision
from services.indexer.catalog.joining import differ
from services.indexer.catalog.locations import touch
from services.indexer.catalog.schema import images
from services.indexer.catalog.undo_log import noting, numbers_of
from shared.contracts.annotations import MAX_TAGS, metadata_fault


def merge(database: Database, pairs: Sequence[tuple[str, str]], undo: str) -> int:
    """Give each kept image what its deleted one has and it lacks; return how many got something.

    pairs: ids of a kept and of a deleted image. What the kept one says itself stands, and it stays
    as it is where the whole would be too much. Some in each transaction; `undo` takes all back.
    """
    changed: set[str] = set()
    for start in range(0, len(pairs), AT_ONCE):
        some = pairs[start : start + AT_ONCE]
        with database.write() as db:
            numbers = numbers_of(db, sorted({one for pair in some for one in pair}))
            known = [
                (kept, numbers[kept], numbers[gone])
                for kept, gone in some
                if kept in numbers and gone in numbers
            ]
            ordinals = sorted({n for _, kept, gone in known for n in (kept, gone)})
            tagged = carried_by(db, ordinals)
            query = select(images.c.ordinal, images.c.metadata)
            said = {r.ordinal: r.metadata for r in among(db, query, images.c.ordinal, ordinals)}
            tags = {kept: dict(tagged[kept]) for _, kept, _ in known}
            metadata = {kept: dict(said[kept]) for _, kept, _ in known}
            for _, kept, gone in known:
                joined = {**tagged[gone], **tags[kept]}
                tags[kept] = joined if len(joined) <= MAX_TAGS else tags[kept]
                whole = {**said[gone], **metadata[kept]}
                metadata[kept] = whole if metadata_fault(whole) is None else metadata[kept]
            tags = {n: its for n, its in tags.items() if its != tagged[n]}
            metadata = {n: its for n, its in metadata.items() if differ(its, said[n])}
            touched = {*tags, *metadata}
            if touched:
                with noting(db, undo, touched):
                    write_tags(db, tags)
                    write_metadata(db, metadata)
                    touch(db, touched, next_revision(db))
            changed |= {name for name, kept, _ in known if kept in touched}
    return len(changed)
