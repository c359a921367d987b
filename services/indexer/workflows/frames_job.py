"""Frames job: embeds key frames of videos, by which searches find them with the time.

It begins by itself when no other job is left, and ends for one that a user waits for.
"""

import time
from collections.abc import Mapping
from typing import Any

from services.indexer.catalog.frames import Frames, VideoFrames
from services.indexer.catalog.jobs import JobTable
from services.indexer.embedding.client import ModelPair
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import FRAMES, PUBLISHING
from services.indexer.publishing.collection import Collection
from services.indexer.publishing.current_snapshot import CurrentSnapshot
from services.indexer.storage.image_files import ImageFiles
from shared.contracts.jobs import JobKind, JobState
from shared.core import failpoints
from shared.core.errors import BadImage, NotFound, Unavailable
from shared.models.external import is_external
from shared.snapshots.manifest import Manifest

FRAMES_REASON = "key frames of videos"
_RECORDED = 8
"""Videos whose frames are recorded together; a killed job embeds no more than these again."""
_PUBLISH_S = 60.0
_PAUSE_S = 600.0

Found = dict[str, list[VideoFrames]]


class FramesJob:
    """Embeds the key frames of the videos that have none, records and publishes them."""

    def __init__(self, collection: Collection, files: ImageFiles, most: int) -> None:
        """most: frames of a video."""
        self._images = collection.images
        self._embedding = collection.embedding
        self._current = collection.current
        self._publisher = collection.publisher
        self._frames = Frames(collection.images.database)
        self._files = files
        self._most = most

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """The job; run again, it goes on where it ended."""
        job.stage(FRAMES)
        pair = _pair_of(self._current.manifest())
        lacking: dict[int, str] = {}
        for fingerprint in sorted(pair.all) if pair is not None else ():
            for some in self._frames.lacking(fingerprint):
                lacking |= dict(some)
        job.expect([FRAMES, PUBLISHING], len(lacking))
        job.count(len(lacking))
        failed, count = job.failed, 0
        published = time.monotonic()
        todo = sorted(lacking.items())
        for start in range(0, len(todo) if pair is not None else 0, _RECORDED):
            found: Found = {fingerprint: [] for fingerprint in pair.all} if pair else {}
            try:
                for ordinal, image_id in todo[start : start + _RECORDED]:
                    job.check_cancelled()
                    if pair is not None:
                        count += self._add(ordinal, image_id, pair, found, job)
            finally:
                # Also where it makes room for another job.
                self._frames.put(found)
            failpoints.reach("frames.recorded")
            if time.monotonic() - published > _PUBLISH_S:
                self._publish()
                published = time.monotonic()
        job.stage(PUBLISHING)
        number = self._publish()
        return {
            "videos": len(lacking),
            "frames": count,
            "failed": job.failed - failed,
            "snapshot": number,
        }

    def _add(
        self, ordinal: int, image_id: str, pair: ModelPair, found: Found, job: JobContext
    ) -> int:
        """Add the frames of a video to what was found; return their number.

        A video that no frame can be read of has none, and isn't tried again.
        """
        try:
            frames = self._files.key_frames(image_id, self._images.places(image_id), self._most)
        except (NotFound, Unavailable) as error:
            # Of a drive that isn't mounted, or a source that may answer the next time.
            job.fail(image_id, error.detail)
            return 0
        except BadImage as error:
            job.fail(image_id, error.detail)
            frames = []
        else:
            job.advance()
        rows = self._embedding.images([data for _, data in frames], pair, bulk=True)
        good = [(at, row) for (at, _), row in zip(frames, rows, strict=True) if row.error is None]
        for fingerprint, some in found.items():
            features = [row.features[fingerprint] for _, row in good]
            some.append(VideoFrames.of(ordinal, [at for at, _ in good], features))
        return len(good)

    def _publish(self) -> int:
        return self._publisher.publish_pending(FRAMES_REASON, may_lag=True).number


class FramesUpkeep:
    """Tells when videos lack key frames and no job is left to do."""

    def __init__(self, current: CurrentSnapshot, table: JobTable, is_on: bool) -> None:
        self._current = current
        self._frames = Frames(table.database)
        self._table = table
        self._is_on = is_on
        # Up to which revision of the catalogue no video lacks any, and of which models.
        self._seen: tuple[frozenset[str], int] = frozenset(), 0
        self._tried = -1
        self._not_before = 0.0

    def is_due(self, was_preempted: bool) -> bool:
        """Return whether to submit a job, having noted that one was.

        was_preempted: the last one was ended by a job that a user waits for. One that a user
        cancelled, or that could read nothing, waits until something changes.
        """
        if not self._is_on or self._table.any_open():
            return False
        pair = _pair_of(self._current.manifest())
        if pair is None:
            return False
        revision = self._frames.revision()
        models, upto = frozenset(pair.all), self._seen[1]
        if self._seen == (models, revision):
            return False
        if models != self._seen[0]:
            upto = 0
        if not any(next(self._frames.lacking(one, upto), None) for one in sorted(models)):
            self._seen = models, revision
            return False
        last = self._table.latest(JobKind.FRAMES)
        is_unwanted = last is not None and last.state is JobState.CANCELLED and not was_preempted
        is_tried = revision == self._tried and not was_preempted
        if is_tried and (is_unwanted or time.monotonic() < self._not_before):
            return False
        self._tried, self._not_before = revision, time.monotonic() + _PAUSE_S
        return True


def _pair_of(manifest: Manifest) -> ModelPair | None:
    """Return the models of a snapshot's features; None where no embedder made them."""
    if manifest.visual is None or is_external(manifest.visual.fingerprint):
        return None
    visual = manifest.visual.fingerprint
    return ModelPair(visual, manifest.matching_fingerprint or visual)
