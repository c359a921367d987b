"""The jobs of the catalogue: they outlive the process that runs them."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import failures, jobs
from shared.contracts.jobs import Failure, Job, JobKind, JobState, Progress
from shared.errors import Conflict, NotFound

_MAX_ATTEMPTS = 3


def _now() -> str:
    # Jobs run in the order of these, so two of one second must differ.
    return datetime.now(UTC).isoformat(timespec="microseconds")


class JobTable:
    """Reads and changes jobs. Times are ISO 8601, UTC."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, kind: JobKind, request: Mapping[str, Any]) -> Job:
        """A new job, queued."""
        job_id = uuid.uuid4().hex
        with self.database.write() as db:
            db.execute(
                insert(jobs).values(
                    id=job_id,
                    kind=kind.value,
                    state=JobState.QUEUED.value,
                    request=dict(request),
                    progress=Progress().model_dump(),
                    attempts=0,
                    created_at=_now(),
                )
            )
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        return _job(self._row(job_id))

    def request(self, job_id: str) -> dict[str, Any]:
        """What was asked for. Raises NotFound."""
        return dict(self._row(job_id).request)

    def _row(self, job_id: str) -> Row[Any]:
        with self.database.read() as db:
            row = db.execute(select(jobs).where(jobs.c.id == job_id)).first()
        if row is None:
            raise NotFound(f"There is no job {job_id!r}.")
        return row

    def all(self) -> list[Job]:
        """All jobs, the newest first."""
        with self.database.read() as db:
            rows = db.execute(select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id))
            return [_job(row) for row in rows]

    def is_open(self, kind: JobKind) -> bool:
        """Whether a job of a kind is queued or running."""
        open_states = [state.value for state in JobState if not state.ended]
        query = select(jobs.c.id).where(jobs.c.kind == kind.value, jobs.c.state.in_(open_states))
        with self.database.read() as db:
            return db.execute(query.limit(1)).first() is not None

    def start_next(self) -> Job | None:
        """Takes the oldest queued job and marks it as running."""
        with self.database.write() as db:
            row = db.execute(
                select(jobs)
                .where(jobs.c.state == JobState.QUEUED.value)
                .order_by(jobs.c.created_at, jobs.c.id)
            ).first()
            if row is None:
                return None
            db.execute(
                update(jobs)
                .where(jobs.c.id == row.id)
                .values(state=JobState.RUNNING.value, attempts=row.attempts + 1)
            )
        return self.get(row.id)

    def requeue_interrupted(self) -> None:
        """Jobs that ran when the process ended run again; each continues where it was.

        One that was interrupted three times, without getting any further, is given up: it may be
        what ends the process.
        """
        with self.database.write() as db:
            running = jobs.c.state == JobState.RUNNING.value
            db.execute(
                update(jobs)
                .where(running, jobs.c.attempts >= _MAX_ATTEMPTS)
                .values(
                    state=JobState.FAILED.value,
                    error=f"The indexer ended {_MAX_ATTEMPTS} times while this job ran.",
                    finished_at=_now(),
                )
            )
            db.execute(update(jobs).where(running).values(state=JobState.QUEUED.value))

    def put_back(self, job_id: str) -> None:
        """Queues a running job again: the indexer ends in good order, which isn't its fault."""
        with self.database.write() as db:
            db.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(state=JobState.QUEUED.value, attempts=jobs.c.attempts - 1)
            )

    def progress(self, job_id: str, progress: Progress, gained: bool = False) -> None:
        """`gained`: this attempt got further than the ones before, so they no longer count."""
        values: dict[str, Any] = {"progress": progress.model_dump()}
        if gained:
            values["attempts"] = 1
        with self.database.write() as db:
            db.execute(update(jobs).where(jobs.c.id == job_id).values(values))

    def finish(
        self,
        job_id: str,
        state: JobState,
        error: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        with self.database.write() as db:
            db.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(
                    state=state.value,
                    error=error,
                    result=None if result is None else dict(result),
                    finished_at=_now(),
                )
            )

    def cancel_queued(self, job_id: str) -> Job:
        """Cancels a job that hasn't begun. Raises Conflict where it has ended."""
        job = self.get(job_id)
        if job.state.ended:
            raise Conflict(f"Job {job_id} has ended already: {job.state.value}.")
        with self.database.write() as db:
            db.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED.value)
                .values(state=JobState.CANCELLED.value, finished_at=_now())
            )
        return self.get(job_id)

    def fail_item(self, job_id: str, path: str, reason: str) -> None:
        """Notes why a job could not take a picture."""
        with self.database.write() as db:
            db.execute(delete(failures).where(failures.c.job_id == job_id, failures.c.path == path))
            db.execute(insert(failures).values(job_id=job_id, path=path, reason=reason))

    def failures(self, job_id: str) -> list[Failure]:
        """Raises NotFound."""
        self.get(job_id)
        with self.database.read() as db:
            rows = db.execute(
                select(failures).where(failures.c.job_id == job_id).order_by(failures.c.path)
            )
            return [Failure(path=row.path, reason=row.reason) for row in rows]


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        state=JobState(row.state),
        progress=Progress.model_validate(row.progress),
        error=row.error,
        result=row.result,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
