"""Context of a running job: its reports to the outside, and its cancellation."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Self

from services.indexer.jobs.stage_plan import EMBEDDING, StagePlan
from shared.contracts.jobs import Progress, SkippedStep
from shared.objects.local_path import readable

_REPORT_EVERY_S = 0.5


def _storable(text: str) -> str:
    """Return a text that any database takes."""
    return readable(text).replace("\0", "\ufffd")


class Cancelled(Exception):
    """The job was cancelled; its changes so far remain."""


class JobContext:
    """Progress, failures and cancel of one job. Used by the job's own thread."""

    def __init__(
        self,
        save: Callable[[Progress, bool], None],
        save_failure: Callable[[str, str], None],
        cancelled: threading.Event,
        job_id: str = "",
        plan: StagePlan | None = None,
        count_skip: Callable[[str, str], None] = lambda step, cause: None,
    ) -> None:
        """plan: the stages to come. count_skip: called with the step and the cause of each skip."""
        self.id = job_id
        self._plan = plan or StagePlan()
        self._count_skip = count_skip
        self.skipped: list[SkippedStep] = []
        self.cancelled = cancelled
        self._save = save
        self._save_failure = save_failure
        self._stage = ""
        self._done = self._total = self._failed = self._skipped = self._before = 0
        self._failed_before = 0
        self._gained = False
        self._started = time.monotonic()
        self._ended: float | None = None
        self._saved = 0.0

    @classmethod
    def unwatched(cls) -> Self:
        """Return a context for work that is no job: nobody reads its progress or cancels it."""
        return cls(lambda *_: None, lambda *_: None, threading.Event())

    def aside(self) -> "JobContext":
        """Return a context for work of this job whose pictures and failures aren't those of it."""
        return JobContext(lambda *_: None, lambda *_: None, self.cancelled, self.id)

    def check_cancelled(self) -> None:
        """Raises Cancelled."""
        if self.cancelled.is_set():
            raise Cancelled

    def stage(self, name: str) -> None:
        """Begin a stage of the job, named for a person to read."""
        self.check_cancelled()
        self._stage = name
        self._plan.enter(name)
        self._report(now=True)

    def expect(self, stages: Sequence[str], pictures: int) -> None:
        """Set the stages to come and the number of pictures they are about, for the estimate."""
        self._plan.expect(stages, pictures)

    def report_progress(self, done: int, total: int) -> None:
        """Note how far the present stage is, in whatever it counts. Raises Cancelled."""
        self.check_cancelled()
        self._plan.report_progress(done, total)
        self._report()

    def skip(self, step: str, reason: str, cause: str) -> None:
        """Record an optional step that failed."""
        self.skipped.append(SkippedStep(step=step, reason=reason))
        self._count_skip(step, cause)

    def end(self) -> None:
        """Record that there is nothing left to do."""
        self._plan.end()

    def count(self, pictures: int) -> None:
        """Add pictures to the work ahead; the rate counts these alone."""
        self._total += pictures
        self._before, self._skipped, self._failed_before = self._done, 0, self._failed
        self._started, self._ended = time.monotonic(), None
        self._report(now=True)

    def advance(self, pictures: int = 1, skipped: bool = False) -> None:
        """Record finished pictures; `skipped` ones cost nothing and don't count for the rate."""
        if skipped:
            self._skipped += pictures
        elif pictures:
            self._gained = True
        self._advance(pictures)

    def at(self, done: int, failed: int, skipped: int) -> None:
        """Set the progress of pictures in a job that several workers share."""
        self._gained |= done > skipped
        self._failed = self._failed_before + failed
        self._skipped = skipped
        self._done = self._before
        self._advance(done)

    def fail(self, path: str, reason: str) -> None:
        """A picture can't be taken. It counts as done."""
        self._save_failure(_storable(path), _storable(reason))
        self._failed += 1
        self._advance(1)

    def _advance(self, pictures: int) -> None:
        self._done += pictures
        if self._done >= self._total:
            self._ended = time.monotonic()
        self._report()

    @property
    def failed(self) -> int:
        return self._failed

    def progress(self) -> Progress:
        """Return the progress of the job."""
        worked = self._done - self._before - self._skipped
        seconds = (self._ended or time.monotonic()) - self._started
        rate = worked / seconds if worked and seconds > 0 else None
        left = self._total - self._done
        within = left / rate if rate and left else None
        eta = self._plan.remaining(within)
        # A stage that counts nothing itself is measured by the pictures in progress.
        by_picture = not self._plan.total and (left or self._stage == EMBEDDING)
        return Progress(
            stage=self._stage,
            done=self._done,
            total=self._total,
            failed=self._failed,
            per_second=rate and round(rate, 2),
            eta_s=None if eta is None else round(eta, 1),
            stage_done=self._done if by_picture else self._plan.done,
            stage_total=self._total if by_picture else self._plan.total,
            seconds=self._plan.seconds(),
        )

    @staticmethod
    def now() -> str:
        return datetime.now(UTC).isoformat(timespec="seconds")

    def _report(self, now: bool = False) -> None:
        if now or time.monotonic() - self._saved >= _REPORT_EVERY_S:
            self._saved = time.monotonic()
            self._save(self.progress(), self._gained)
