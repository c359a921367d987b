"""Uploads that are recorded: which file is the image's, when others deleted it or were quicker."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, delete, select, update

from services.indexer.catalog.entry import Entry
from services.indexer.catalog.removed_files import release, take_written, uploads_of
from services.indexer.catalog.schema import locations
from services.indexer.catalog.stored_names import upload_of


def settled(db: Connection, entries: Sequence[Entry], missing: Mapping[str, str]) -> list[Entry]:
    """Return entries of uploads with the files that are theirs from now on.

    Where another upload of the same picture came first, its file counts. missing: paths of former
    uploads whose files are not there, by id, in whose stead these come. Raises UploadGone for a
    file whose image was deleted meanwhile.
    """
    live = uploads_of(db, [entry.id for entry in entries])
    written: set[str] = set()
    needless = {image_id: [path] for image_id, path in missing.items()}
    found: list[Entry] = []
    for entry in entries:
        path = entry.place.path
        its = {n: at for n, at in live.get(entry.id, {}).items() if at != missing.get(entry.id)}
        if (name := upload_of(entry.id, path)) is not None and name not in its:
            written.add(name)
            if its:
                needless.setdefault(entry.id, []).append(path)
                entry = replace(entry, place=replace(entry.place, path=next(iter(its.values()))))
        found.append(entry)
    take_written(db, written)
    for entry in found:
        if (former := missing.get(entry.id)) is not None:
            _take_over(db, former, entry.place.path)
    release(db, needless)
    return found


def _take_over(db: Connection, former: str, path: str) -> None:
    """Put a file in the stead of one that is missing, under all of its uris."""
    there = select(locations.c.uri).where(locations.c.path == path)
    its = locations.c.path == former
    db.execute(update(locations).where(its, locations.c.uri.not_in(there)).values(path=path))
    db.execute(delete(locations).where(its))
