"""Text job: reads the words in pictures. Slow, so it yields to every job that a user waits for."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from services.indexer.catalog.database import Database
from services.indexer.catalog.jobs import JobTable
from services.indexer.catalog.texts import Texts
from services.indexer.jobs.context import JobContext
from services.indexer.jobs.stage_plan import PUBLISHING, READING_TEXT
from services.indexer.publishing.collection import Collection
from services.indexer.reading.reader import ReaderProcess, TextReader
from services.indexer.storage.image_files import ImageFiles
from shared.contracts.jobs import JobKind, JobState
from shared.contracts.text import TextRequest
from shared.core import failpoints
from shared.core.errors import BadImage, NotFound, Unavailable
from shared.snapshots.texts import MOST_WORDS, packed

READ_REASON = "text in pictures"
_AT_ONCE = 32
"""Pictures whose words are recorded together; a killed job reads no more than these again."""
IN_BACKGROUND = "in_background"
"""Key in the request of a job that nobody asked for."""
_NOBODY = ""
"""Reader of pictures whose files are missing, which another request reads."""
_PUBLISH_S = 60.0
_PAUSE_S = 600.0

Words = list[list[object]]


class TextJob:
    """Reads the pictures that were not read yet, records their words and publishes them."""

    def __init__(self, collection: Collection, files: ImageFiles, reader: TextReader) -> None:
        self._images = collection.images
        self._publisher = collection.publisher
        self._texts = Texts(collection.images.database)
        self._files = files
        self._reader = reader

    def run(self, request: Mapping[str, Any], job: JobContext) -> dict[str, Any]:
        """The job; run again, it goes on where it ended. Raises Conflict without the extra `ocr`.

        again: reads all pictures that another version of the reader has read, too, and those whose
        files were missing.
        """
        asked = TextRequest(again=bool(request.get("again")))
        with self._reader.opened(job.check_cancelled) as reader:
            job.stage(READING_TEXT)
            reader.start()
            name = reader.name if asked.again else None
            total = self._texts.count_lacking(name)
            job.expect([READING_TEXT, PUBLISHING], total)
            job.count(total)
            failed, words, read = job.failed, 0, 0
            published = time.monotonic()
            for some in self._texts.lacking(name):
                for start in range(0, len(some), _AT_ONCE):
                    found: dict[int, Words] = {}
                    missing: list[int] = []
                    try:
                        self._read(reader, some[start : start + _AT_ONCE], job, found, missing)
                    finally:
                        # Also where it makes room for another job: else one that is always
                        # interrupted would get nowhere.
                        self._texts.put(found, reader.name)
                        self._texts.put(dict.fromkeys(missing, ()), _NOBODY)
                    failpoints.reach("text.recorded")
                    read += len(found)
                    words += sum(map(len, found.values()))
                    if time.monotonic() - published > _PUBLISH_S:
                        self._publish()
                        published = time.monotonic()
        job.stage(PUBLISHING)
        number = self._publish()
        return {
            "read": read,
            "words": words,
            "failed": job.failed - failed,
            "snapshot": number,
        }

    def _read(
        self,
        reader: ReaderProcess,
        some: Sequence[tuple[int, str]],
        job: JobContext,
        found: dict[int, Words],
        missing: list[int],
    ) -> None:
        """Add words by ordinal, and the ordinals of pictures whose files are missing; a picture
        that can't be read has no words, and isn't tried again.
        """
        for ordinal, image_id in some:
            job.check_cancelled()
            try:
                data = self._files.picture(image_id, self._images.places(image_id))
                found[ordinal] = [packed(word) for word in reader.read(data)[:MOST_WORDS]]
            except Unavailable as error:
                # Of a source that may answer the next time.
                job.fail(image_id, error.detail)
                continue
            except NotFound as error:
                # Of a drive that isn't mounted, for example.
                job.fail(image_id, error.detail)
                missing.append(ordinal)
                continue
            except BadImage as error:
                job.fail(image_id, error.detail)
                found[ordinal] = []
                continue
            job.advance()

    def _publish(self) -> int:
        return self._publisher.publish_pending(READ_REASON, may_lag=True).number


class ReadingUpkeep:
    """Tells when pictures should be read that nobody asked for: when no job is left to do."""

    def __init__(self, database: Database, table: JobTable, is_on: bool) -> None:
        self._texts = Texts(database)
        self._table = table
        self._is_on = is_on
        self._not_before = 0.0
        self._left = -1

    def due(self, was_preempted: bool) -> dict[str, Any] | None:
        """Return the request of a job to submit now; None: nothing is to be read.

        was_preempted: the last one was ended by a job that a user waits for.
        """
        asked = self._interrupted() if was_preempted else None
        if asked is None and self.is_due(was_preempted):
            return {"again": False, IN_BACKGROUND: True}
        return asked

    def _interrupted(self) -> dict[str, Any] | None:
        """Return what a person asked for and another job ended, whatever the settings say."""
        last = self._table.latest(JobKind.TEXT)
        if last is None or last.state is not JobState.CANCELLED:
            return None
        request = self._table.request(last.id)
        if request.get(IN_BACKGROUND) or self._table.any_open():
            return None
        return {"again": bool(request.get("again"))}

    def is_due(self, was_preempted: bool) -> bool:
        """Return whether to submit a job, having noted that one was.

        was_preempted: the last one was ended by a job that a user waits for. One that a user
        cancelled, or that read nothing for want of a source, waits until pictures are added.
        """
        if not self._is_on or self._table.any_open() or not self._texts.has_lacking():
            return False
        left = self._texts.count_lacking(None)
        last = self._table.latest(JobKind.TEXT)
        is_unwanted = last is not None and last.state is JobState.CANCELLED and not was_preempted
        if is_unwanted and 0 <= left <= self._left:
            return False
        # Where the last one made room before it had read anything, nothing new is to come.
        if not was_preempted and left == self._left and time.monotonic() < self._not_before:
            return False
        self._left, self._not_before = left, time.monotonic() + _PAUSE_S
        return True
