"""The jobs of the catalogue: they outlive the process that runs them."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from services.indexer.catalog.cursor import cursor_of, read_cursor
from services.indexer.catalog.database import Database
from services.indexer.catalog.job_failures import failures_page, note_failure
from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.catalog.schema import failures, jobs, parts
from services.indexer.catalog.worker import NOBODY, Worker
from shared.contracts.jobs import Failures, Job, JobKind, Jobs, JobState, Progress
from shared.core.errors import Conflict, NotFound

MAX_ATTEMPTS = 3
MOST_FAILURES = 10_000
_PREEMPTED = "preempted"
_KEPT = 100
_AT_ONCE = 500


def _now() -> str:
    # Jobs run in the order of these times, so two of one second must differ.
    return datetime.now(UTC).isoformat(timespec="microseconds")


_QUEUED = jobs.c.state == JobState.QUEUED.value
_RUNNING = jobs.c.state == JobState.RUNNING.value


class JobTable:
    """Reads and changes jobs. Times are ISO 8601, UTC.

    One job runs at a time, whichever worker has it.
    """

    def __init__(
        self, database: Database, worker: Worker | None = None, most_failures: int = MOST_FAILURES
    ) -> None:
        """most_failures: of a job with more, the further ones are counted only."""
        self.database = database
        self._most_failures = most_failures
        self.worker = worker or Worker(database)

    def add(self, kind: JobKind, request: Mapping[str, Any]) -> Job:
        """A new job, queued."""
        job_id = uuid.uuid4().hex
        with self.database.note() as db:
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
            # Within the transaction: a runner may begin it as soon as it ends.
            row = db.execute(select(jobs).where(jobs.c.id == job_id)).one()
        return _job(row)

    def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        return _job(self._row(job_id))

    def request(self, job_id: str) -> dict[str, Any]:
        """Return the request of a job. Raises NotFound."""
        noted: dict[str, Any] = self._row(job_id).request
        # A job may be noted to end just as it begins.
        return {name: value for name, value in noted.items() if name != _PREEMPTED}

    def _row(self, job_id: str) -> Row[Any]:
        with self.database.read() as db:
            row = db.execute(select(jobs).where(jobs.c.id == job_id)).first()
        if row is None:
            raise NotFound(f"There is no job {job_id!r}.")
        return row

    def page(self, limit: int = 100, cursor: str | None = None) -> Jobs:
        """Return a page of the jobs, the newest first. Raises InvalidInput."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit + 1)
        if cursor is not None:
            created, job_id = read_cursor(cursor, 2)
            same = and_(jobs.c.created_at == created, jobs.c.id > job_id)
            query = query.where(or_(jobs.c.created_at < created, same))
        with self.database.read() as db:
            found = [_job(row) for row in db.execute(query)]
        more = len(found) > limit
        last = found[limit - 1] if more else None
        return Jobs(jobs=found[:limit], next=last and cursor_of(last.created_at, last.id))

    def ids(self) -> list[str]:
        """Return the id of every job."""
        with self.database.read() as db:
            return list(db.execute(select(jobs.c.id)).scalars())

    def forget_before(self, moment: str) -> int:
        """Remove jobs that ended before a time, with their failures; give how many.

        The newest ones stay, and the newest of each kind and state, which later work looks at.
        """
        newest = select(jobs.c.id).order_by(jobs.c.created_at.desc()).limit(_KEPT)
        last = select(func.max(jobs.c.created_at)).group_by(jobs.c.kind, jobs.c.state)
        with self.database.note() as db:
            kept = {*db.execute(newest).scalars()}
            times = {*db.execute(last).scalars()}
            rows = db.execute(
                select(jobs.c.id, jobs.c.created_at).where(jobs.c.finished_at < moment)
            )
            gone = [row.id for row in rows if row.id not in kept and row.created_at not in times]
            for start in range(0, len(gone), _AT_ONCE):
                some = gone[start : start + _AT_ONCE]
                for table in (failures, parts):
                    db.execute(delete(table).where(table.c.job_id.in_(some)))
                db.execute(delete(jobs).where(jobs.c.id.in_(some)))
        return len(gone)

    def last_succeeded(self, limit: int = 5) -> list[Job]:
        """The jobs that succeeded last, the newest first."""
        query = select(jobs).where(jobs.c.state == JobState.SUCCEEDED.value)
        with self.database.read() as db:
            return [
                _job(row)
                for row in db.execute(query.order_by(jobs.c.finished_at.desc()).limit(limit))
            ]

    def latest(self, kind: JobKind, state: JobState | None = None) -> Job | None:
        """Return the newest job of a kind, optionally in a given state; None if there is none."""
        query = select(jobs).where(jobs.c.kind == kind.value)
        if state is not None:
            query = query.where(jobs.c.state == state.value)
        with self.database.read() as db:
            row = db.execute(query.order_by(jobs.c.created_at.desc()).limit(1)).first()
        return None if row is None else _job(row)

    def any_open(self, besides: JobKind | None = None) -> bool:
        """Tell whether any job is queued or running; `besides`: not looking at those of a kind."""
        open_states = [state.value for state in JobState if not state.ended]
        query = select(jobs.c.id).where(jobs.c.state.in_(open_states))
        if besides is not None:
            query = query.where(jobs.c.kind != besides.value)
        with self.database.read() as db:
            return db.execute(query.limit(1)).first() is not None

    def is_open(self, kind: JobKind) -> bool:
        """Return whether a job of a kind is queued or running."""
        open_states = [state.value for state in JobState if not state.ended]
        query = select(jobs.c.id).where(jobs.c.kind == kind.value, jobs.c.state.in_(open_states))
        with self.database.read() as db:
            return db.execute(query.limit(1)).first() is not None

    def open_ids(self, kinds: Sequence[JobKind]) -> list[str]:
        """Return the ids of jobs of some kinds that are queued or running, the newest first: so no
        queued one begins when a running one before it ends.
        """
        open_states = [state.value for state in JobState if not state.ended]
        query = select(jobs.c.id).where(
            jobs.c.kind.in_([kind.value for kind in kinds]), jobs.c.state.in_(open_states)
        )
        with self.database.read() as db:
            return list(db.execute(query.order_by(jobs.c.created_at.desc())).scalars())

    def start_next(self, last: Sequence[JobKind] = ()) -> Job | None:
        """Mark the oldest queued job as running and return it; None while another one runs.

        last: kinds that come after all others, in this order, however long they are queued.
        """
        turns = {kind.value: number for number, kind in enumerate(last, 1)}
        turn = [case(turns, value=jobs.c.kind, else_=0)] if turns else []
        with self.database.note() as db:
            self.database.kind.begin_taking(db)
            if db.execute(select(jobs.c.id).where(_RUNNING).limit(1)).first() is not None:
                return None
            row = db.execute(
                select(jobs).where(_QUEUED).order_by(*turn, jobs.c.created_at, jobs.c.id).limit(1)
            ).first()
            if row is None:
                return None
            taken = {"state": JobState.RUNNING.value, "attempts": row.attempts + 1}
            db.execute(update(jobs).where(jobs.c.id == row.id).values(taken | self.worker.lease()))
        return self.get(row.id)

    def requeue_interrupted(self) -> None:
        """Queue jobs again that were running when their worker ended; each resumes.

        One that was interrupted three times without progress fails, because it may be what ends the
        process.
        """
        left = and_(_RUNNING, self.worker.may_take(jobs))
        unwanted = and_(or_(_QUEUED, left), jobs.c.cancelling)
        worn = and_(left, jobs.c.attempts >= MAX_ATTEMPTS)
        error = f"The indexer stopped {MAX_ATTEMPTS} times while this job ran."
        with self.database.note() as db:
            self._end(db, unwanted, JobState.CANCELLED)
            self._end(db, worn, JobState.FAILED, error)
            db.execute(update(jobs).where(left).values(state=JobState.QUEUED.value, **NOBODY))

    def was_interrupted(self, job_id: str) -> bool:
        """Return whether an earlier attempt at a running job did not come to its end."""
        return int(self._row(job_id).attempts) > 1

    def renew(self, job_id: str) -> bool:
        """Renew this worker's lease of a job; return whether it still holds it."""
        query = update(jobs).where(self._owned(job_id)).values(self.worker.lease())
        with self.database.note() as db:
            row = db.execute(query.returning(jobs.c.cancelling)).first()
        return row is not None and not row.cancelling

    def check(self, job_id: str, db: Connection) -> None:
        """Raise LeaseLost if this worker has lost a job; otherwise hold it during the block."""
        query = select(jobs.c.id).where(self._owned(job_id)).with_for_update(read=True)
        if db.execute(query).first() is None:
            raise LeaseLost(job_id)

    def _owned(self, job_id: str) -> ColumnElement[bool]:
        return and_(jobs.c.id == job_id, _RUNNING, self.worker.has(jobs))

    def _end(
        self, db: Connection, which: ColumnElement[bool], state: JobState, error: str | None = None
    ) -> None:
        ended = {"state": state.value, "error": error, "finished_at": _now(), **NOBODY}
        db.execute(update(jobs).where(which).values(ended))

    def excuse_running(self) -> None:
        """The attempt of a running job doesn't count: this worker ends in good order."""
        own_jobs = and_(_RUNNING, self.worker.has(jobs))
        with self.database.note() as db:
            db.execute(update(jobs).where(own_jobs).values(attempts=jobs.c.attempts - 1))

    def put_back(self, job_id: str) -> None:
        """Queues a running job again."""
        back = update(jobs).where(self._owned(job_id))
        with self.database.note() as db:
            db.execute(back.values(state=JobState.QUEUED.value, **NOBODY))

    def progress(self, job_id: str, progress: Progress, gained: bool = False) -> None:
        """`gained`: this attempt got further than the ones before, so they no longer count.

        Raises LeaseLost.
        """
        values: dict[str, Any] = {"progress": progress.model_dump()}
        if gained:
            values["attempts"] = 1
        with self.database.note() as db:
            if not db.execute(update(jobs).where(self._owned(job_id)).values(values)).rowcount:
                raise LeaseLost(job_id)

    def finish(
        self,
        job_id: str,
        state: JobState,
        error: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        """Raises LeaseLost."""
        ended = {
            "state": state.value,
            "error": error,
            "result": None if result is None else dict(result),
            "finished_at": _now(),
            **NOBODY,
        }
        with self.database.note() as db:
            if not db.execute(update(jobs).where(self._owned(job_id)).values(ended)).rowcount:
                raise LeaseLost(job_id)
            db.execute(delete(parts).where(parts.c.job_id == job_id))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job at once if it hasn't begun; otherwise notify its worker.

        Raises Conflict if it has ended.
        """
        job = self.get(job_id)
        if job.state.ended:
            raise Conflict(f"Job {job_id} has already ended: {job.state.value}.")
        is_it = jobs.c.id == job_id
        with self.database.note() as db:
            self._end(db, and_(is_it, _QUEUED), JobState.CANCELLED)
            db.execute(update(jobs).where(is_it, _RUNNING).values(cancelling=True))
        return self.get(job_id)

    def note_preempted(self, job_id: str) -> None:
        """Note that a job ends for another one; it outlives the process, as the job does."""
        asked = self.request(job_id)
        with self.database.note() as db:
            values = {"request": {**asked, _PREEMPTED: True}}
            db.execute(update(jobs).where(jobs.c.id == job_id).values(values))

    def was_preempted(self, job_id: str) -> bool:
        """Return whether a job ended, or is to end, for another one."""
        return bool(self._row(job_id).request.get(_PREEMPTED))

    def is_cancelling(self, job_id: str) -> bool:
        """Return whether a cancel was requested."""
        with self.database.read() as db:
            query = select(jobs.c.cancelling).where(jobs.c.id == job_id)
            return bool(db.execute(query).scalar())

    def fail_item(self, job_id: str, path: str, reason: str) -> None:
        """Note why a job could not take a picture."""
        with self.database.note() as db:
            note_failure(db, job_id, path, reason, self._most_failures)

    def failures(self, job_id: str, limit: int = 100, cursor: str | None = None) -> Failures:
        """Return a page of what a job could not take, by path. Raises NotFound, InvalidInput."""
        self.get(job_id)
        with self.database.read() as db:
            return failures_page(db, job_id, limit, cursor)


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
        source=row.request.get("source"),
        dry_run=bool(row.request.get("dry_run")),
    )
