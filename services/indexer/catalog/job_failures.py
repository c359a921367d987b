"""Pictures that a job could not take, with the reasons; their number is bounded."""

from contextlib import suppress

from sqlalchemy import Connection, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.indexer.catalog.cursor import cursor_of, read_cursor
from services.indexer.catalog.schema import failures
from shared.contracts.jobs import Failure, Failures


def note_failure(db: Connection, job_id: str, path: str, reason: str, most: int) -> None:
    """Note the reason of a path, unless `most` others of the job are listed already."""
    known = and_(failures.c.job_id == job_id, failures.c.path == path)
    beyond = (
        select(failures.c.path)
        .where(failures.c.job_id == job_id)
        .order_by(failures.c.path)
        .offset(most - 1)
        .limit(1)
    )
    if db.execute(update(failures).where(known).values(reason=reason)).rowcount:
        return
    if db.execute(beyond).first() is not None:
        return
    with suppress(IntegrityError), db.begin_nested():
        # Another worker that took over this part may record the failure at the same time.
        db.execute(insert(failures).values(job_id=job_id, path=path, reason=reason))


def failures_page(db: Connection, job_id: str, limit: int, cursor: str | None) -> Failures:
    """Return a page of the failures of a job, by path. Raises InvalidInput."""
    its = failures.c.job_id == job_id
    query = select(failures).where(its).order_by(failures.c.path).limit(limit + 1)
    if cursor is not None:
        query = query.where(failures.c.path > read_cursor(cursor, 1)[0])
    found = [Failure(path=row.path, reason=row.reason) for row in db.execute(query)]
    total = db.execute(select(func.count()).where(its)).scalar_one()
    more = len(found) > limit
    return Failures(
        failures=found[:limit],
        total=total,
        next=cursor_of(found[limit - 1].path) if more else None,
    )
