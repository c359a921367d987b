"""Optional steps: each improves an index, and none may fail its job."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.jobs.context import Cancelled, JobContext
from shared.core.errors import CatalogueAway, ISEError, full_disk

log = logging.getLogger(__name__)

T = TypeVar("T")


class OptionalStep(StrEnum):
    """Names as a job's result has them."""

    TRANSFORM = "transform"
    CLUSTERING = "clustering"
    RECALL = "recall"
    CALIBRATION = "calibration"
    COUNTING = "counting"
    TRAINING = "training"
    JOINT_SPACE = "joint space"
    LABELS = "labels"
    RECEIPT = "receipt"


class SkipCause(StrEnum):
    """`refused`: the collection or another service can't have it; `fault`: a fault in this code."""

    REFUSED = "refused"
    FAULT = "fault"


class SkipCounts:
    """Numbers of optional steps that jobs of this process skipped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, step: str, cause: str) -> None:
        with self._lock:
            self._counts[step, cause] += 1

    def all(self) -> Mapping[tuple[str, str], int]:
        """Return counts by step and cause, with 0 for those that were never skipped."""
        with self._lock:
            return {
                (step.value, cause.value): self._counts[step.value, cause.value]
                for step in OptionalStep
                for cause in SkipCause
            }


def attempt(
    job: JobContext,
    step: OptionalStep,
    work: Callable[[], T],
    otherwise: T,
    but: tuple[type[Exception], ...] = (),
) -> T:
    """Return the result of an optional step, or `otherwise` if it fails.

    The job records the step and the reason. Bugs are logged with a traceback. Errors that end the
    job itself are raised: a cancellation, a lost lease, an unavailable catalogue. but: further
    errors that fail the job.
    """
    try:
        return work()
    except (Cancelled, LeaseLost, CatalogueAway):
        raise
    except Exception as error:
        if isinstance(error, but):
            raise
        # A shutdown closes connections, which isn't a failure of the step: the job resumes later.
        job.check_cancelled()
        reason, cause = _explained(error)
        if cause is SkipCause.FAULT:
            log.exception("job %s continues without its optional step %s", job.id, step)
        else:
            log.warning("job %s continues without its optional step %s: %s", job.id, step, reason)
        job.skip(step, reason, cause)
        return otherwise


def _explained(error: Exception) -> tuple[str, SkipCause]:
    """A sentence for a person, and the cause."""
    if isinstance(error, ISEError):
        return error.detail, SkipCause.REFUSED
    if isinstance(error, OSError):
        if (full := full_disk(error)) is not None:
            return full.detail, SkipCause.REFUSED
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or type(error).__name__}{where}.", SkipCause.FAULT
    return f"Unexpected {type(error).__name__}; the log has its trace.", SkipCause.FAULT
