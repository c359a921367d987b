"""Images of which an earlier version took in more than is taken today."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, cast, delete, func, select, update

from services.indexer.care.folder import DataFolder
from services.indexer.catalog.database import next_revision
from services.indexer.catalog.schema import images, tags
from shared.contracts.annotations import MAX_TAGS, mended, metadata_fault
from shared.files import durable

ASIDE = "metadata.jsonl"
_ROWS = 1000


@dataclass(frozen=True)
class Overfull:
    """An image, the JSON of its metadata, and what is wrong, as a clause."""

    ordinal: int
    id: str
    text: str
    fault: str


def overfull(folder: DataFolder) -> Iterator[Overfull]:
    """The images whose metadata or tags no way in takes any more."""
    text = cast(images.c.metadata, Text)
    many = select(tags.c.ordinal).group_by(tags.c.ordinal).having(func.count() > MAX_TAGS)
    with folder.database.read() as db:
        crowded = set(db.execute(many).scalars())
        rows = db.execute(
            select(images.c.ordinal, images.c.id, text)
            .order_by(images.c.ordinal)
            .execution_options(yield_per=_ROWS)
        )
        for ordinal, image_id, metadata in rows:
            fault = _fault(metadata)
            if fault is None and ordinal in crowded:
                fault = f"it has over {MAX_TAGS:,} tags"
            if fault is not None:
                yield Overfull(ordinal, image_id, metadata, fault)


def bring_within(folder: DataFolder, aside: str) -> None:
    """Shortens what is said of these images; what was said before is kept in a file aside."""
    found = list(overfull(folder))
    with folder.database.write() as db:
        change = next_revision(db)
        kept = []
        for one in found:
            carried = select(tags.c.key, tags.c.tag).where(tags.c.ordinal == one.ordinal)
            its_tags = [tuple(row) for row in db.execute(carried.order_by(tags.c.key))]
            told = {"id": one.id, "tags": [tag for _, tag in its_tags], "metadata": one.text}
            kept.append(json.dumps(told) + "\n")
            is_its = tags.c.ordinal == one.ordinal
            for key, _ in its_tags[MAX_TAGS:]:
                db.execute(delete(tags).where(is_its, tags.c.key == key))
            values = {"metadata": mended(_metadata(one.text)), "revision": change}
            db.execute(update(images).where(images.c.ordinal == one.ordinal).values(values))
        # Save the originals before the change is durable, so that nothing is lost.
        path = folder.path / aside / f"{change}-{ASIDE}"
        durable.make_dir(path.parent)
        durable.write_text(path, "".join(kept))


def _fault(text: str) -> str | None:
    try:
        return metadata_fault(json.loads(text))
    except (ValueError, RecursionError):
        return "it can't be read"


def _metadata(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found
