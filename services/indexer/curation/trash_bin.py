"""The trash of a collection: delete, look, restore, empty."""

import base64
import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from pydantic import TypeAdapter

from services.indexer.catalog.bulk_changes import AT_ONCE
from services.indexer.catalog.source_claims import Origins
from services.indexer.catalog.trash import HasFeatures, Trash, Trashed
from services.indexer.publishing.collection import Collection
from services.indexer.storage.image_files import ImageFiles
from shared.contracts import annotations
from shared.contracts.curation import Changed, Restored, TrashedImage, TrashPage
from shared.contracts.facts import facts_of
from shared.core.errors import InvalidInput, NotFound

log = logging.getLogger(__name__)

RESTORE_REASON = "restored from the trash"
_CURSOR: TypeAdapter[tuple[str, str]] = TypeAdapter(tuple[str, str])


class TrashBin:
    """Deletes images so that they can be restored for some days; 0 days: for good at once."""

    def __init__(
        self,
        collection: Collection,
        origins: Origins,
        trash: Trash,
        files: ImageFiles,
        days: float,
    ) -> None:
        self._deletions = collection.deletions
        self._removal = collection.removal
        self._publisher = collection.publisher
        self._current = collection.current
        self._origins = origins
        self._trash = trash
        self._files = files
        self._days = days

    @property
    def keeps(self) -> bool:
        return self._days > 0

    @property
    def has_features(self) -> HasFeatures:
        """Return the check that features can be read."""
        return self._trash.has_features

    def delete(
        self,
        ids: Sequence[str],
        undo: str | None = None,
        instead: Mapping[str, str] = MappingProxyType({}),
    ) -> Changed:
        """Delete images; they are out of every answer when this returns.

        undo: the token that takes it back with something else, too. instead: for an image, the one
        that is kept in its stead; where that is gone, the image stays.
        """
        wanted = list(dict.fromkeys(ids))
        undo = (undo or uuid.uuid4().hex) if self.keeps else None
        gone: list[str] = []
        for some in _parts(wanted):
            with self._deletions.burying(keeps_files=self.keeps) as bury:
                others = {image_id: instead[image_id] for image_id in some if image_id in instead}
                gone += self._origins.delete_all(some, bury, self.keeps, undo, others)
        found = set(gone)
        return Changed(
            changed=0,
            deleted=len(gone),
            unknown=[image_id for image_id in wanted if image_id not in found],
            undo=undo if gone else None,
        )

    def delete_one(self, image_id: str) -> str | None:
        """Delete an image; give the token that takes it back. Raises NotFound."""
        done = self.delete([image_id])
        if not done.deleted:
            raise NotFound(f"There is no image {image_id!r}.")
        return done.undo

    def page(self, limit: int, cursor: str | None) -> TrashPage:
        """Return a page of what is in the trash. Raises InvalidInput."""
        found, total, more = self._trash.page(limit, None if cursor is None else _read(cursor))
        return TrashPage(
            images=[self._shown(one) for one in found],
            total=total,
            days=self._days,
            next=_text(found[-1]) if more else None,
        )

    def restore(self, ids: Sequence[str]) -> Restored:
        """Bring images back, as they were; they can be searched when this returns."""
        wanted = list(dict.fromkeys(ids))
        back: dict[str, set[str]] = {}
        for some in _parts(wanted):
            with self._deletions.waiting():
                back |= self._trash.restore(some)
        if back:
            self._publisher.publish_pending(RESTORE_REASON, may_lag=True)
        visual = self._current.manifest().visual
        model = None if visual is None else visual.fingerprint
        return Restored(
            restored=[image_id for image_id in wanted if image_id in back],
            unknown=[image_id for image_id in wanted if image_id not in back],
            unsearchable=sorted(i for i, models in back.items() if model not in models),
        )

    def thumbnail(self, image_id: str) -> bytes:
        """Return a small JPEG of an image in the trash. Raises NotFound, BadImage."""
        return self._files.thumbnail(image_id, self._trash.get(image_id).places)

    def empty(self) -> int:
        """Delete all for good; give how many."""
        return self._purge(None)

    def purge_expired(self) -> None:
        """Delete for good what was deleted too long ago."""
        before = (datetime.now(UTC) - timedelta(days=self._days)).isoformat()
        if gone := self._purge(before):
            log.info("%d images left the trash for good", gone)

    def _purge(self, before: str | None) -> int:
        gone = self._trash.purge(before)
        self._removal.begin()
        return gone

    def _shown(self, one: Trashed) -> TrashedImage:
        record = one.record
        metadata, _ = annotations.presentable(record["metadata"])
        uris = sorted({place[1] for place in record["places"]})
        deleted = datetime.fromisoformat(one.deleted_at)
        expires = deleted + timedelta(days=self._days)
        size = {"bytes": record["bytes"]} if record["bytes"] else {}
        return TrashedImage(
            id=one.id,
            tags=annotations.whole([tag for _, tag in sorted(record["tags"].items())]),
            uri=uris[0] if uris else "",
            uris=annotations.whole(uris),
            metadata=metadata,
            added_at=record["created_at"],
            file=facts_of((record["file"] or {}) | size),
            deleted_at=deleted.isoformat(timespec="seconds"),
            expires_at=expires.isoformat(timespec="seconds"),
        )


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))


def _text(last: Trashed) -> str:
    return base64.urlsafe_b64encode(json.dumps([last.deleted_at, last.id]).encode()).decode()


def _read(cursor: str) -> tuple[str, str]:
    try:
        return _CURSOR.validate_json(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise InvalidInput("`cursor` is not the `next` of an answer; omit it.") from None
