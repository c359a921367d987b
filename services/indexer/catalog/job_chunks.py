"""The parts that an ingest is divided into: any worker may take the next one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from services.indexer.catalog import lease_fence
from services.indexer.catalog.database import Database
from services.indexer.catalog.jobs import MAX_ATTEMPTS
from services.indexer.catalog.lease_fence import LeaseLost
from services.indexer.catalog.schema import jobs, parts
from services.indexer.catalog.worker import NOBODY, Worker
from shared.contracts.jobs import JobState

_WAITING, _RUNNING, _DONE, _FAILED = "waiting", "running", "done", "failed"
_OPEN_JOBS = [state.value for state in JobState if not state.ended]
_ROWS = 100

Key = tuple[str, str, int]


@dataclass(frozen=True)
class Part:
    """Some files of a job; `task` describes the work."""

    job_id: str
    plan: str
    number: int
    task: Mapping[str, Any]

    @property
    def key(self) -> Key:
        return self.job_id, self.plan, self.number


@dataclass(frozen=True)
class Standing:
    """Progress of all parts of a plan.

    `error`: why one failed; `results`: those of finished ones.
    """

    done: int
    failed: int
    open: int
    error: str | None = None
    results: list[dict[str, Any]] = field(default_factory=list)


class PartTable:
    """Reads and changes parts. Changing a part that this worker has lost raises LeaseLost."""

    def __init__(self, database: Database, worker: Worker) -> None:
        self._database = database
        self._worker = worker

    def plan(self, job_id: str, tasks: Sequence[Mapping[str, Any]]) -> str:
        """Divide a job into parts; an existing equal division is resumed."""
        digest = sha256(json.dumps(tasks, sort_keys=True).encode()).hexdigest()
        rows = [_new(job_id, digest, number, task) for number, task in enumerate(tasks)]
        of_job = parts.c.job_id == job_id
        with self._database.note() as db:
            lease_fence.cross(db)
            db.execute(delete(parts).where(of_job, parts.c.plan != digest))
            if db.execute(select(parts.c.number).where(of_job).limit(1)).first() is None:
                for start in range(0, len(rows), _ROWS):
                    db.execute(insert(parts), rows[start : start + _ROWS])
        return digest

    def take(self, job_id: str | None = None) -> Part | None:
        """Take the next free part, of a job or of any."""
        free = or_(
            parts.c.state == _WAITING,
            and_(parts.c.state == _RUNNING, self._worker.may_take(parts)),
        )
        query = (
            select(parts.c.job_id, parts.c.plan, parts.c.number, parts.c.task, parts.c.attempts)
            .join(jobs, jobs.c.id == parts.c.job_id)
            .where(free, parts.c.attempts < MAX_ATTEMPTS)
            .where(jobs.c.state.in_(_OPEN_JOBS), jobs.c.cancelling.is_(False))
            .order_by(jobs.c.created_at, parts.c.number)
            .limit(1)
            .with_for_update(of=parts, skip_locked=True)
        )
        if job_id is not None:
            query = query.where(parts.c.job_id == job_id)
        with self._database.note() as db:
            row = db.execute(query).first()
            if row is None:
                return None
            part = Part(row.job_id, row.plan, row.number, row.task)
            begun = {"state": _RUNNING, "attempts": row.attempts + 1, "done": 0, "failed": 0}
            db.execute(update(parts).where(_is(part.key)).values(begun | self._worker.lease()))
        return part

    def tell(self, part: Part, done: int, failed: int, gained: bool) -> None:
        """Record the progress of a part; `gained`: the job has new images. Raises LeaseLost."""
        values: dict[str, Any] = {"done": done, "failed": failed}
        self._set(part, values | ({"attempts": 1} if gained else {}))

    def finish(self, part: Part, files: int, failed: int, result: Mapping[str, Any]) -> None:
        """Raises LeaseLost."""
        told = {"done": files, "failed": failed, "result": dict(result)}
        self._set(part, {"state": _DONE, **told, **NOBODY})

    def fail(self, part: Part, error: str) -> None:
        """Mark this part and its job as failed. Raises LeaseLost."""
        self._set(part, {"state": _FAILED, "error": error, **NOBODY})

    def put_back(self, part: Part) -> None:
        """Return a part for another worker, because this one is shutting down."""
        with self._database.note() as db:
            db.execute(
                update(parts)
                .where(self._owned(part))
                .values(state=_WAITING, attempts=parts.c.attempts - 1, **NOBODY)
            )

    def renew(self, part: Part) -> bool:
        """Renew this worker's lease of a part; return whether it still holds it."""
        renewed = update(parts).where(self._owned(part)).values(self._worker.lease())
        wanted = select(jobs.c.id).where(jobs.c.id == part.job_id, jobs.c.cancelling.is_(False))
        with self._database.note() as db:
            is_mine = db.execute(renewed).rowcount > 0
            return is_mine and db.execute(wanted).first() is not None

    def check(self, part: Part, db: Connection) -> None:
        """Raise LeaseLost if this worker has lost a part; otherwise hold it during the block."""
        query = select(parts.c.number).where(self._owned(part)).with_for_update(read=True)
        if db.execute(query).first() is None:
            raise LeaseLost(part.job_id)

    def standing(self, job_id: str, plan: str) -> Standing:
        """Return the progress of a job's parts."""
        of_plan = and_(parts.c.job_id == job_id, parts.c.plan == plan)
        is_open = parts.c.state.in_([_WAITING, _RUNNING])
        worn = and_(
            parts.c.state == _RUNNING,
            parts.c.attempts >= MAX_ATTEMPTS,
            self._worker.is_over(parts),
        )
        counts = select(
            func.coalesce(func.sum(parts.c.done), 0),
            func.coalesce(func.sum(parts.c.failed), 0),
            func.count().filter(is_open),
            func.min(parts.c.error),
            func.count().filter(worn),
        )
        with self._database.read() as db:
            done, failed, left, error, given_up = db.execute(counts.where(of_plan)).one()
            results = select(parts.c.result).where(of_plan, parts.c.state == _DONE)
            results_of_parts = [] if left else list(db.execute(results).scalars())
        if given_up:
            error = f"The indexer stopped {MAX_ATTEMPTS} times while it ingested the same pictures."
        return Standing(int(done), int(failed), int(left), error, results_of_parts)

    def _set(self, part: Part, values: Mapping[str, Any]) -> None:
        with self._database.note() as db:
            if not db.execute(update(parts).where(self._owned(part)).values(**values)).rowcount:
                raise LeaseLost(part.job_id)

    def _owned(self, part: Part) -> ColumnElement[bool]:
        return and_(_is(part.key), parts.c.state == _RUNNING, self._worker.has(parts))


def _is(key: Key) -> ColumnElement[bool]:
    job_id, plan, number = key
    return and_(parts.c.job_id == job_id, parts.c.plan == plan, parts.c.number == number)


def _new(job_id: str, plan: str, number: int, task: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "plan": plan,
        "number": number,
        "state": _WAITING,
        "task": dict(task),
        "attempts": 0,
        "done": 0,
        "failed": 0,
    }
