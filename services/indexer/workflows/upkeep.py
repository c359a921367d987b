"""Has the index compacted, and what is new learnt, so that nobody has to think of it."""

import logging
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from services.indexer.catalog.jobs import JobTable
from services.indexer.jobs.runner import JobRunner
from services.indexer.publishing.labels import Labels
from services.indexer.workflows.compaction import Compaction
from services.indexer.workflows.learning import Learning
from shared.contracts.jobs import JobKind
from shared.core.errors import ISEError

log = logging.getLogger(__name__)

# A failed compaction is tried again, but not at each addition.
_PAUSE_S = 60.0
_LONGEST_WAIT_S = 3600.0


class Upkeep:
    """Queues a compaction when one is due and none is under way; learns when all is quiet."""

    def __init__(
        self,
        compaction: Compaction,
        jobs: JobRunner,
        table: JobTable,
        learning: Learning,
        quiet_s: float,
        labels: Labels,
    ) -> None:
        """quiet_s: seconds without a change and without a job after which something is learnt."""
        self._compaction = compaction
        self._jobs = jobs
        self._table = table
        self._learning = learning
        self._labels = labels
        self._quiet_s = quiet_s
        self._not_before = 0.0
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin to watch for a quiet time."""
        if self._learning.is_on:
            self._changed.set()
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()

    def consider(self) -> None:
        """To be called after each change of the index, which it never fails: that is done."""
        self._changed.set()
        try:
            self._queue_if_due()
        except (ISEError, OSError, SQLAlchemyError) as error:
            log.warning("can't determine whether a compaction is due: %s", error)

    def _queue_if_due(self) -> None:
        if time.monotonic() >= self._not_before:
            if self._compaction.is_due():
                self._queue(JobKind.COMPACT)
            elif self._labels.left:
                self._queue(JobKind.LABEL, {"anew": False})

    def _queue(self, kind: JobKind, request: Mapping[str, Any] = MappingProxyType({})) -> None:
        with self._lock:
            if time.monotonic() < self._not_before or self._table.is_open(kind):
                return
            self._not_before = time.monotonic() + _PAUSE_S
            self._jobs.submit(kind, dict(request))

    def _watch(self) -> None:
        wait: float | None = None
        while not self._stopping.is_set():
            self._changed.wait(wait)
            # Each change restarts the quiet time.
            while self._changed.is_set() and not self._stopping.is_set():
                self._changed.clear()
                self._changed.wait(self._quiet_s)
            if self._stopping.is_set():
                return
            try:
                wait = self._learn_if_due()
            except (ISEError, OSError, SQLAlchemyError) as error:
                log.warning("can't determine the due learning: %s", error)
                wait = _PAUSE_S

    def _learn_if_due(self) -> float | None:
        """Queue a job where something is due; give the seconds to wait, or None: for a change."""
        if not self._learning.due():
            return None
        # A reading may take hours, and makes room.
        if self._table.any_open(besides=JobKind.TEXT):
            return self._quiet_s
        pause = self._learning.pause(self._jobs.was_preempted(JobKind.LEARN)).total_seconds()
        if pause > 0:
            return min(pause, _LONGEST_WAIT_S)
        self._jobs.submit(JobKind.LEARN, {})
        return self._quiet_s
