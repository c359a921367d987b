"""What a running job tells the outside, and how it learns that it was cancelled."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from shared.contracts.jobs import Progress
from shared.objects.local_path import readable

_REPORT_EVERY_S = 0.5


def _storable(text: str) -> str:
    """Return a text that any database takes."""
    return readable(text).replace("\0", "\ufffd")


class Cancelled(Exception):
    """The job was cancelled; what it did so far stays."""


class JobContext:
    """Progress, failures and cancel of one job. Used by the job's own thread."""

    def __init__(
        self,
        save: Callable[[Progress, bool], None],
        save_failure: Callable[[str, str], None],
        cancelled: threading.Event,
        job_id: str = "",
    ) -> None:
        self.id = job_id
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

    def check_cancelled(self) -> None:
        """Raises Cancelled."""
        if self.cancelled.is_set():
            raise Cancelled

    def stage(self, name: str) -> None:
        """What the job does from now on, for a person to read."""
        self.check_cancelled()
        self._stage = name
        self._report(now=True)

    def count(self, pictures: int) -> None:
        """So many more pictures are to be done; the rate is that of these alone."""
        self._total += pictures
        self._before, self._skipped, self._failed_before = self._done, 0, self._failed
        self._started, self._ended = time.monotonic(), None
        self._report(now=True)

    def advance(self, pictures: int = 1, skipped: bool = False) -> None:
        """So many more are done; `skipped` ones cost nothing and don't count for the rate."""
        if skipped:
            self._skipped += pictures
        elif pictures:
            self._gained = True
        self._advance(pictures)

    def at(self, done: int, failed: int, skipped: int) -> None:
        """How far the pictures counted last are, of which others do some and tell of failures."""
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
        """How far the job is."""
        worked = self._done - self._before - self._skipped
        seconds = (self._ended or time.monotonic()) - self._started
        rate = worked / seconds if worked and seconds > 0 else None
        left = self._total - self._done
        return Progress(
            stage=self._stage,
            done=self._done,
            total=self._total,
            failed=self._failed,
            per_second=rate and round(rate, 2),
            eta_s=round(left / rate, 1) if rate and left else None,
        )

    @staticmethod
    def now() -> str:
        return datetime.now(UTC).isoformat(timespec="seconds")

    def _report(self, now: bool = False) -> None:
        if now or time.monotonic() - self._saved >= _REPORT_EVERY_S:
            self._saved = time.monotonic()
            self._save(self.progress(), self._gained)
