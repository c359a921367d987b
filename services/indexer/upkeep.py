"""Has the index compacted when it's due, so that nobody has to think of it."""

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from services.indexer.catalog.jobs import JobTable
from services.indexer.compaction import Compaction
from services.indexer.jobs import JobRunner
from shared.contracts.jobs import JobKind
from shared.errors import ISEError

log = logging.getLogger(__name__)

# One that failed is tried again, but not at each addition.
_PAUSE_S = 60.0


class Upkeep:
    """Queues a compaction when one is due and none is under way."""

    def __init__(self, compaction: Compaction, jobs: JobRunner, table: JobTable) -> None:
        self._compaction = compaction
        self._jobs = jobs
        self._table = table
        self._not_before = 0.0
        self._lock = threading.Lock()

    def consider(self) -> None:
        """To be called after each change of the index, which it never fails: that is done."""
        try:
            self._queue_if_due()
        except (ISEError, OSError, SQLAlchemyError) as error:
            log.warning("whether a compaction is due can't be told now: %s", error)

    def _queue_if_due(self) -> None:
        if time.monotonic() < self._not_before or not self._compaction.is_due():
            return
        with self._lock:
            if time.monotonic() < self._not_before or self._table.is_open(JobKind.COMPACT):
                return
            self._not_before = time.monotonic() + _PAUSE_S
            self._jobs.submit(JobKind.COMPACT, {})
