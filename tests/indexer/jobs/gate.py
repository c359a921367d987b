"""Work that waits for a test."""

import threading

from services.indexer.jobs.context import JobContext
from shared.contracts.jobs import JobKind

BUILD = JobKind.BUILD


class Gate:
    """Work that says when it began, and waits to be let on or cancelled."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, request, job: JobContext) -> dict:
        self.began.set()
        while not self.go_on.wait(0.01):
            job.check_cancelled()
        return dict(request)
