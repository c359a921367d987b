"""Changes of many pictures at once, and of tags; each can be taken back for a day."""

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from services.indexer.catalog.bulk_changes import BulkEdit, BulkTable
from services.indexer.catalog.jobs import JobTable
from services.indexer.catalog.undo_log import UndoLog
from services.indexer.catalog.undoing import undo_some
from services.indexer.curation.trash_bin import TrashBin
from services.indexer.publishing.collection import Collection
from services.indexer.publishing.index_files import IndexFiles
from shared.contracts.curation import BulkFailure, BulkRequest, Changed, Renamed, Undone
from shared.contracts.filters import Filter
from shared.core.errors import Conflict, Corrupt, NotFound
from shared.snapshots.filtering import Filtering
from shared.snapshots.image_labels import ImageLabels
from shared.snapshots.items import ItemsFile
from shared.snapshots.labels import LabelsFile, read_head
from shared.snapshots.manifest import Manifest

log = logging.getLogger(__name__)

UNDO_REASON = "undone"
_GOOD_FOR = timedelta(days=1)


class Editor:
    """Changes what a person said of pictures. `job_days`: as long may a job be undone."""

    def __init__(
        self,
        collection: Collection,
        index: IndexFiles,
        bin_: TrashBin,
        jobs: JobTable,
        job_days: float,
    ) -> None:
        self._collection = collection
        self._index = index
        self._bin = bin_
        self._jobs = jobs
        self._job_days = job_days
        self._database = collection.images.database
        self._table = BulkTable(self._database)
        self._log = UndoLog(self._database)

    def bulk(self, request: BulkRequest) -> Changed:
        """Change many images in one step."""
        ids = request.ids if request.filter is None else self._matching(request.filter)
        left_out = set(request.but)
        wanted = [one for one in dict.fromkeys(ids or []) if one not in left_out]
        if request.delete:
            return self._bin.delete(wanted)
        undo = uuid.uuid4().hex
        edit = BulkEdit(request.add_tags, request.remove_tags, request.metadata)
        done = self._table.edit(wanted, edit, undo)
        if done.changed:
            self._collection.publisher.publish_retag()
        return Changed(
            changed=done.changed,
            unknown=done.unknown,
            failed=[BulkFailure(id=i, error=why) for i, why in done.failed.items()],
            undo=undo if done.changed else None,
        )

    def patch(
        self, image_id: str, tags: list[str] | None, metadata: dict[str, Any] | None
    ) -> str | None:
        """Replace an image's tags or metadata; give the token that takes it back."""
        undo = uuid.uuid4().hex
        self._collection.images.patch(image_id, tags, metadata, undo)
        self._collection.publisher.publish_retag()
        return undo if self._log.has(undo) else None

    def rename(self, former: str, to: str) -> Renamed:
        """Rename a tag, or merge it with another. Raises NotFound where no image has it."""
        undo = uuid.uuid4().hex
        changed, merged = self._table.rename(former, to, undo)
        if not changed and not self._table.has_tag(former):
            raise NotFound(f"No image has the tag {former!r}.")
        if changed:
            self._collection.publisher.publish_retag()
        return Renamed(changed=changed, merged=merged, undo=undo if changed else None)

    def can_undo(self, token: str) -> bool:
        return self._log.has(token)

    def steps_of(self, token: str) -> int:
        """Return how many images a token is about."""
        return self._log.count(token)

    def undo(self, token: str) -> Undone:
        """Take a change back. Raises NotFound where there is nothing to take back, and Conflict
        for a job's, which is undone by a job.
        """
        if self._is_job(token):
            raise Conflict(f"{token} is a job: undo it by POST /v1/jobs/{token}/undo.")
        if not self._log.has(token):
            raise NotFound(
                "There is nothing to undo: it was undone already, or is older than a day."
            )
        return self.take_back(token)

    def _is_job(self, token: str) -> bool:
        try:
            self._jobs.get(token)
        except NotFound:
            return False
        return True

    def take_back(self, token: str, told: Callable[[int], None] = lambda _: None) -> Undone:
        """Take back all that a token is about; what was changed meanwhile stays."""
        done: Counter[str] = Counter()
        more = True
        while more:
            with self._collection.deletions.burying(keeps_files=self._bin.keeps) as bury:
                some, more = undo_some(
                    self._database, token, bury, self._bin.keeps, self._bin.has_features
                )
            done += some
            told(sum(some.values()))
        self._collection.publisher.publish_pending(UNDO_REASON, may_lag=True)
        return Undone(
            changed=done["changed"],
            restored=done["restored"],
            trashed=done["trashed"],
            left=done["left"],
        )

    def tidy(self) -> None:
        """Drop what is too old to be taken back."""
        today = datetime.now(UTC)
        changes = (today - _GOOD_FOR).isoformat()
        of_jobs = (today - max(_GOOD_FOR, timedelta(days=self._job_days))).isoformat()
        self._log.forget_before(changes, of_jobs, self._jobs.ids())

    def _matching(self, wanted: Filter) -> Sequence[str]:
        """Return the ids of the images that a filter lets through, as published."""
        # Others may publish so much meanwhile that files of it would be removed.
        with self._collection.current.holding() as manifest:
            files = [ItemsFile(self._index.segments.intact(file)) for file in manifest.items]
            labels = self._labels(manifest)
        allowed = Filtering(files, labels).allowed(wanted)
        allowed[self._deleted(len(allowed))] = False
        found: dict[int, str] = {}
        for file in files:
            for row in np.flatnonzero(allowed[file.ordinals]).tolist():
                found[int(file.ordinals[row])] = file.item(row).id
        return list(found.values())

    def _labels(self, manifest: Manifest) -> ImageLabels:
        labels, intact = manifest.labels, self._index.segments.intact
        if labels is None:
            return ImageLabels(None, [])
        try:
            files = [LabelsFile(intact(file)) for file in labels.files]
            return ImageLabels(read_head(intact(labels.head)), files, labels.fingerprint)
        except (Corrupt, FileNotFoundError) as error:
            # They are an extra, as in searches: a filter without labels doesn't need them.
            log.error("labels are left out of a change by filter: %s", error)
            return ImageLabels(None, [])

    def _deleted(self, size: int) -> Any:
        deleted = self._index.tombstones.read()
        return deleted[deleted < size]
