"""Three real services as processes, over HTTP."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.cli.group import ServiceGroup
from shared.clients import indexer
from shared.clients.transport import Call, Client, T
from shared.contracts.indexer import IngestRequest
from shared.contracts.jobs import Job, JobState
from shared.core.settings import ServiceSettings
from tests.ports import free_port

REPOSITORY = Path(__file__).parents[2]
REFERENCE = Path(os.environ.get("ISE_REFERENCE_DATA", REPOSITORY.parent / "shared" / "data"))


def find_chromium() -> str | None:
    """Where Chromium is, under whichever name this system gives it."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


class Engine:
    """Three running services and a client of each."""

    def __init__(
        self, group: ServiceGroup, data_dir: Path, log_dir: Path, key: str | None = None
    ) -> None:
        self.group = group
        self.data_dir = data_dir
        self.log_dir = log_dir
        self.query = Client(group.url("query"), key)
        self.indexer = Client(group.url("indexer"), key)
        self.embedder = Client(group.url("embedder"), key)

    def ask(self, call: Call[T]) -> T:
        return self.query.send(call)

    def wait(self, job: Job, seconds: float = 1500) -> Job:
        """Waits until a job has ended."""
        end = time.monotonic() + seconds
        while not job.state.ended:
            assert time.monotonic() < end, f"{job.kind} is still at {job.progress}"
            time.sleep(0.1)
            job = self.indexer.send(indexer.get_job(job.id))
        return job

    def done(self, job: Job, seconds: float = 1500) -> Job:
        """Waits until a job has succeeded."""
        ended = self.wait(job, seconds)
        assert ended.state is JobState.SUCCEEDED, ended.error
        return ended

    def ingest(self, source: Path, **fields: Any) -> Job:
        request = IngestRequest(source=str(source), **fields)
        return self.done(self.indexer.send(indexer.ingest(request)))

    def close(self) -> None:
        for client in (self.query, self.indexer, self.embedder):
            client.close()


@contextmanager
def running(data_dir: Path, log_dir: Path, **env: str) -> Iterator[Engine]:
    """The three services on free ports, until the block ends."""
    settings = ServiceSettings(
        data_dir=data_dir,
        query_port=free_port(),
        indexer_port=free_port(),
        embedder_port=free_port(),
    )
    with ServiceGroup.local(settings, env=env, log_dir=log_dir) as group:
        group.wait_ready(timeout=300)
        engine = Engine(group, data_dir, log_dir, env.get("ISE_API_KEY"))
        try:
            yield engine
        finally:
            engine.close()


@contextmanager
def hanging(engine: Engine, name: str) -> Iterator[None]:
    """A service that takes connections and answers nothing, until the block ends."""
    pid = engine.group.pids()[name]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
