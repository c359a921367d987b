"""Labels of a whole collection: the step of a build, and the jobs that compute and accept them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from services.indexer.catalog.images import Images
from services.indexer.catalog.label_tags import give_tags
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.optional_steps import OptionalStep, attempt
from services.indexer.jobs.stage_plan import LABELLING, PUBLISHING
from services.indexer.publishing.collection import Collection
from services.indexer.publishing.index_files import IndexFiles
from services.indexer.publishing.labels import Labels
from shared.contracts.labels import AcceptLabelsRequest
from shared.core.errors import Conflict, Corrupt, InvalidInput
from shared.labels.head import LabelHead
from shared.snapshots.labels import LabelsFile, read_head
from shared.snapshots.manifest import LabelsManifest, Manifest

LABELS_REASON = "labels computed"
ACCEPTED_REASON = "labels accepted as tags"
TAGGING = "adding tags"
_AT_ONCE = 2000


def labelled(labels: Labels, base: Manifest, job: JobContext) -> Manifest:
    """Return the base with the labels of its images, where its model has them."""
    job.stage(LABELLING)
    return attempt(
        job, OptionalStep.LABELS, lambda: labels.complete(base, job.report_progress), base
    )


class LabelJob:
    """Computes the labels of every image from stored features; no picture is read."""

    def __init__(self, collection: Collection) -> None:
        self._current = collection.current
        self._publisher = collection.publisher
        self._labels = collection.labels

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """The job. Raises Conflict where the model has no classifier with named classes."""
        with self._current.holding() as base:
            return self._run(base, request, job)

    def _run(self, base: Manifest, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        job.expect([LABELLING, PUBLISHING], base.images)
        job.stage(LABELLING)
        # Whoever asks for it wants the embedder's classifier; upkeep, what the snapshot has.
        anew = bool(request.get("anew", True))
        done = self._labels.complete(base, job.report_progress, anew)
        labels_now = done.labels
        if labels_now != base.labels:
            job.stage(PUBLISHING)

            def latest(current: Manifest) -> Manifest:
                update = {"reason": LABELS_REASON, "labels": labels_now}
                return current.model_copy(update=update)

            done = self._publisher.publish(latest)
        labels = done.labels
        return {
            "snapshot": done.number,
            "images": done.images,
            "labelled": 0 if labels is None else labels.rows,
        }


class AcceptLabelsJob:
    """Adds labels as tags to the images that show them."""

    def __init__(self, collection: Collection, index: IndexFiles) -> None:
        self._images: Images = collection.images
        self._current = collection.current
        self._publisher = collection.publisher
        self._segments = index.segments

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """The job; run again, it adds what is still missing. Raises Conflict without labels."""
        asked = AcceptLabelsRequest.model_validate(request)
        labels, head, files = self._opened()
        wanted = _classes(head, asked.names)
        job.count(labels.rows)
        job.stage(TAGGING)
        tagged = 0
        for file in files:
            for given, rows in _batches(file, head, asked, wanted):
                tagged += give_tags(self._images.database, given, job.id)
                job.advance(rows)
                job.check_cancelled()
        job.stage(PUBLISHING)
        manifest = self._publisher.publish_pending(ACCEPTED_REASON, may_lag=True)
        return {"snapshot": manifest.number, "images": manifest.images, "tagged": tagged}

    def _opened(self) -> tuple[LabelsManifest, LabelHead, list[LabelsFile]]:
        """Open all labels at once, as publications meanwhile may remove their files."""
        while True:
            labels = self._current.manifest().labels
            if labels is None:
                raise Conflict("The collection has no labels yet. `ise label` computes them.")
            try:
                head = read_head(self._segments.intact(labels.head))
                return labels, head, [LabelsFile(self._segments.intact(f)) for f in labels.files]
            except (Corrupt, FileNotFoundError):
                if self._current.manifest().labels == labels:
                    raise


def _classes(head: LabelHead, names: list[str] | None) -> set[int] | None:
    """The classes of some names; None: all. Raises InvalidInput for a name of none."""
    if names is None:
        return None
    found: set[int] = set()
    for name in names:
        numbers = head.named(name)
        if not numbers:
            raise InvalidInput(f"No class is named {name!r}. `ise label` lists those that are met.")
        found.update(numbers)
    return found


def _batches(
    file: LabelsFile, head: LabelHead, asked: AcceptLabelsRequest, wanted: set[int] | None
) -> Iterator[tuple[list[tuple[int, list[str]]], int]]:
    """Images with the tags that they get, and how many rows were looked at, some at a time."""
    least = np.float16(asked.least)
    for start in range(0, len(file.ordinals), _AT_ONCE):
        ids = file.classes[start : start + _AT_ONCE]
        sure = file.probabilities[start : start + _AT_ONCE] >= least
        given: list[tuple[int, list[str]]] = []
        for row in np.flatnonzero(sure.any(axis=1)).tolist():
            classes = [n for n in ids[row][sure[row]].tolist() if wanted is None or n in wanted]
            if classes:
                names = [head.classes[number].name for number in classes]
                given.append((int(file.ordinals[start + row]), names))
        yield given, len(ids)
