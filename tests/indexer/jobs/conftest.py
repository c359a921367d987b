"""The table of jobs, and a runner of some work."""

from collections.abc import Iterator

import pytest

from services.indexer.catalog.database import Database
from services.indexer.catalog.jobs import JobTable
from services.indexer.jobs.runner import JobRunner
from shared.contracts.jobs import JobKind

BUILD = JobKind.BUILD


@pytest.fixture
def table(database: Database) -> JobTable:
    return JobTable(database)


@pytest.fixture
def runner(table) -> Iterator:
    """Starts a runner whose jobs do `work`."""
    made: list[JobRunner] = []

    def start(work, begin: bool = True) -> JobRunner:
        made.append(JobRunner(table, dict.fromkeys(JobKind, work), lambda: None))
        if begin:
            made[-1].start()
        return made[-1]

    yield start
    for one in made:
        if one.alive:
            one.stop(5)


@pytest.fixture
def ended(table, until):
    return lambda job: until(lambda: (j := table.get(job.id)).state.ended and j)
