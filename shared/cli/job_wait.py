"""Waits for a job to end."""

import time
from collections.abc import Callable

from shared.clients import indexer
from shared.clients.transport import Client
from shared.contracts.jobs import Job, JobState
from shared.core.errors import Conflict, ISEError, Unavailable

_POLL_S = 0.3
_PATIENCE_S = 120.0


def wait(
    client: Client,
    job: Job,
    show: Callable[[Job], None],
    poll: float = _POLL_S,
    patience: float = _PATIENCE_S,
) -> Job:
    """Asks after a job until it has ended; returns it as it ended.

    An indexer that doesn't answer for less than `patience` seconds is waited for: it may be busy,
    or be started again.
    """
    heard = time.monotonic()
    while True:
        show(job)
        if job.state.ended:
            return job
        time.sleep(poll)
        try:
            job = client.send(indexer.get_job(job.id))
            heard = time.monotonic()
        except Unavailable:
            if time.monotonic() - heard > patience:
                raise


def raise_if_failed(job: Job) -> None:
    """Raises the error that a job ended with, if it did."""
    if job.state is JobState.FAILED:
        raise ISEError(job.error or f"Job {job.id} failed and gave no reason.")
    if job.state is JobState.CANCELLED:
        raise Conflict(f"Job {job.id} was cancelled.")
