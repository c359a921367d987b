"""Runs jobs one after another in a thread; their state stands in the catalogue.

Where workers share the catalogue, one of them runs the job, and the others do parts of it.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from services.indexer.catalog.jobs import JobTable
from services.indexer.catalog.lease_fence import LeaseLost, fenced
from services.indexer.jobs.context import Cancelled, JobContext
from services.indexer.jobs.leases import Leases
from services.indexer.jobs.optional_steps import SkipCounts
from services.indexer.jobs.stage_plan import StagePlan, learned
from shared.contracts.jobs import Job, JobKind, JobState
from shared.core import trace
from shared.core.errors import CatalogueAway, Conflict, ISEError, full_disk
from shared.core.request_id import current_request_id, set_request_id
from shared.objects.local_path import readable

log = logging.getLogger(__name__)

_PAUSE_S = 5.0
_BACKGROUND = (JobKind.COMPACT, JobKind.LEARN, JobKind.TEXT, JobKind.FRAMES)
"""Kinds of background jobs."""
_PREEMPTED = (JobKind.LEARN, JobKind.TEXT, JobKind.FRAMES)
"""Kinds that a job which a user waits for ends; they begin again when all is quiet."""
_LOOK_S = 1.0
"""Seconds between polls of the catalogue for work of other workers."""

Work = Callable[[Mapping[str, Any], JobContext], dict[str, Any]]


class JobRunner:
    """One worker, one job at a time. A job that the process's end interrupted is run again."""

    def __init__(
        self,
        table: JobTable,
        work: Mapping[JobKind, Work],
        settle: Callable[[], None],
        help_others: Callable[[], bool] = lambda: False,
        leases: Leases | None = None,
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        """`settle` is called at the start, and after a job that did not finish.

        `help_others`: runs a part of another worker's job; False if there is none.
        `on_idle`: called when the last job has ended; it may submit one.
        """
        self._table = table
        self._is_shared = table.database.is_shared
        self._leases = leases or Leases(table.worker)
        self._help_others = help_others
        self._on_idle = on_idle
        self._work = work
        self._settle = settle
        self.skips = SkipCounts()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._cancelled: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        self._leases.start()
        self._thread.start()

    def interrupt(self) -> None:
        """End the running job at its next step; it resumes at the next start."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake.set()
        with self._lock:
            for event in self._cancelled.values():
                event.set()
        # Excuse a job even if its next step comes too late, because the shutdown isn't its fault.
        self._table.excuse_running()

    def stop(self, timeout_s: float) -> None:
        """Interrupts the running job, and waits until it stands still."""
        self.interrupt()
        self._thread.join(timeout_s)
        self._leases.stop()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, kind: JobKind, request: Mapping[str, Any]) -> Job:
        """Queue a job. A job that a user waits for ends background learning and reading; learning
        and a compaction end reading of text and key frames, which may take hours.
        """
        job = self._table.add(kind, request)
        # Only now, so that no other one begins because nothing seems left to do.
        if kind not in _BACKGROUND:
            self._preempt(_PREEMPTED)
        elif kind is JobKind.FRAMES:
            self._preempt((JobKind.TEXT,))
        elif kind is not JobKind.TEXT:
            self._preempt((JobKind.TEXT, JobKind.FRAMES))
        self._wake.set()
        log.info("job %s (%s) queued by request %s", job.id, kind.value, current_request_id())
        return job

    def _preempt(self, kinds: Sequence[JobKind]) -> None:
        for job_id in self._table.open_ids(kinds):
            self._table.note_preempted(job_id)
            # It may have ended in the meantime.
            with suppress(Conflict):
                self.cancel(job_id)

    def wake(self) -> None:
        """Look again for something to do: something may be due."""
        self._wake.set()

    def was_preempted(self, kind: JobKind) -> bool:
        """Tell whether the last job of a kind ended because one came that somebody waits for."""
        last = self._table.latest(kind)
        return last is not None and self._table.was_preempted(last.id)

    def cancel(self, job_id: str) -> Job:
        """Cancels a job, at once when queued, at its next step when running.

        Raises NotFound, or Conflict where it has ended.
        """
        job = self._table.cancel(job_id)
        if job.state is JobState.RUNNING:
            # Another worker may be running it, and will notice; or it is marked as running but
            # hasn't begun, and will find the event set.
            with self._lock:
                self._cancelled.setdefault(job_id, threading.Event()).set()
        return job

    def _run(self) -> None:
        if not self._is_shared:
            self._settle()
        while not self._stopping.is_set():
            try:
                self._run_next()
            except Exception:
                # The catalogue can't be written, for example because the disk is full; the job
                # resumes later.
                log.exception("the state of a job can't be stored")
                self._stopping.wait(_PAUSE_S)

    def _run_next(self) -> None:
        self._wake.clear()
        self._table.requeue_interrupted()
        job = self._table.start_next(_PREEMPTED)
        if job is None:
            with self._lock:
                # Left are those of jobs that other workers ran.
                self._cancelled.clear()
            self._on_idle()
            if not self._is_shared:
                self._wake.wait()
            elif not self._help_others():
                self._wake.wait(_LOOK_S)
            return
        set_request_id(f"job-{job.id[:12]}")
        # Calls of one job are one trace.
        with trace.at(trace.Trace.new()):
            self._run_one(job)
        set_request_id(None)

    def _run_one(self, job: Job) -> None:
        with self._lock:
            cancelled = self._cancelled.setdefault(job.id, threading.Event())
            if self._stopping.is_set():
                cancelled.set()
        context = JobContext(
            lambda progress, gained: self._table.progress(job.id, progress, gained),
            lambda path, reason: self._table.fail_item(job.id, path, reason),
            cancelled,
            job.id,
            StagePlan(learned(self._table.last_succeeded())),
            self.skips.add,
        )
        try:
            with fenced(lambda db: self._table.check(job.id, db)):
                self._run_fenced(job, context)
        except LeaseLost:
            log.warning("job %s was given to another worker, which continues it", job.id)
        finally:
            with self._lock:
                del self._cancelled[job.id]

    def _run_fenced(self, job: Job, context: JobContext) -> None:
        state, error, result = JobState.SUCCEEDED, None, None
        try:
            with self._leases.holding(lambda: self._table.renew(job.id), context.cancelled):
                if self._is_shared and self._table.was_interrupted(job.id):
                    # A worker that is alone on its catalogue did this at its start.
                    self._settle()
                result = self._work[job.kind](self._table.request(job.id), context)
            if context.skipped:
                result["skipped_steps"] = [one.model_dump() for one in context.skipped]
        except Cancelled:
            state = JobState.CANCELLED
        except (LeaseLost, CatalogueAway):
            raise
        except ISEError as failure:
            state, error = JobState.FAILED, failure.detail
        except OSError as failure:
            log.exception("job %s failed", job.id)
            full = full_disk(failure)
            reason = full.detail if full else f"{failure.strerror or failure}: {failure.filename}"
            state, error = JobState.FAILED, readable(reason)
        except Exception as failure:
            # An error in a job must not end the thread, which runs the next one.
            log.exception("job %s failed", job.id)
            state, error = JobState.FAILED, f"Unexpected {type(failure).__name__}; see the log."
        if self._stopping.is_set() and state is not JobState.SUCCEEDED:
            # A shutdown closes connections, so whatever the error is, the job resumes later.
            self._table.put_back(job.id)
            return
        if state is not JobState.SUCCEEDED:
            self._settle()
        context.end()
        self._table.progress(job.id, context.progress())
        self._table.finish(job.id, state, error, result)
        log.info("job %s %s%s", job.id, state.value, f": {error}" if error else "")
