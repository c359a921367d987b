"""Log of changes that can be undone: images before and after, within a transaction.

A step is undone as a merge of three: what was changed meanwhile stays.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, null, select

from services.indexer.catalog.bulk_sql import add_rows, among, some_of
from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import images, locations, undo_steps, undos
from services.indexer.catalog.states import State, states_of


@dataclass(frozen=True)
class Step:
    """An image before a change and after it; None where it wasn't there."""

    id: str
    former: State | None
    later: State | None


class UndoLog:
    """Reads and tidies what can be taken back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has(self, token: str) -> bool:
        """Tell whether there is anything to take back."""
        query = select(undo_steps.c.token).where(undo_steps.c.token == token)
        with self._database.read() as db:
            return db.execute(query.limit(1)).first() is not None

    def count(self, token: str) -> int:
        with self._database.read() as db:
            query = select(undo_steps.c.id).where(undo_steps.c.token == token)
            return len(db.execute(query).all())

    def forget_before(self, changes: str, jobs: str, of_jobs: Collection[str]) -> None:
        """Drop what is too old: `changes` and `jobs` are times; `of_jobs`: ids of jobs."""
        with self._database.read() as db:
            old = db.execute(
                select(undos.c.token, undos.c.created_at).where(
                    undos.c.created_at < max(changes, jobs)
                )
            ).all()
        ids = set(of_jobs)
        gone = [r.token for r in old if r.created_at < (jobs if r.token in ids else changes)]
        if gone:
            with self._database.note() as db:
                for token in gone:
                    forget(db, token)


@contextmanager
def noting(db: Connection, token: str | None, ordinals: Collection[int]) -> Iterator[set[int]]:
    """Note how the block changes images. It may add the numbers of others that it brings.

    What a token noted before stands: it takes all of it back.
    """
    changing = set(ordinals)
    if token is None:
        yield changing
        return
    before = states_of(db, changing)
    yield changing
    after = states_of(db, changing)
    changed = [i for i in {**before, **after} if before.get(i) != after.get(i)]
    put_steps(db, token, [Step(i, before.get(i), after.get(i)) for i in changed])


def put_steps(db: Connection, token: str, steps: Sequence[Step]) -> None:
    """Note steps, each joined to what the token has of its image already."""
    if not steps:
        return
    if db.execute(select(undos.c.token).where(undos.c.token == token)).first() is None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        db.execute(insert(undos).values(token=token, created_at=at))
    ids = [step.id for step in steps]
    query = select(undo_steps).where(undo_steps.c.token == token)
    known = {row.id: row.former for row in among(db, query, undo_steps.c.id, ids)}
    _remove(db, token, list(known))
    rows: list[dict[str, Any]] = [
        {
            "token": token,
            "id": step.id,
            "former": known.get(step.id, step.former),
            "later": step.later,
        }
        for step in steps
    ]
    add_rows(db, undo_steps, rows)


def take_steps(db: Connection, token: str, limit: int) -> list[Step]:
    """Take some steps of a token out, to be undone in this transaction; fewer than `limit` are the
    last.

    Images that the change added come first: the others get back the paths that those hold. Of
    others whose paths went round, all are taken at once.
    """
    was_there = undo_steps.c.former.is_not(null())
    query = select(undo_steps).where(undo_steps.c.token == token)
    query = query.order_by(was_there, undo_steps.c.id)
    steps = [Step(r.id, r.former, r.later) for r in db.execute(query.limit(limit))]
    if len(steps) < limit:
        db.execute(delete(undos).where(undos.c.token == token))
    some = steps
    while some:
        _remove(db, token, [step.id for step in some])
        some = _in_the_way(db, token, some)
        steps += some
    return steps


def _in_the_way(db: Connection, token: str, steps: Sequence[Step]) -> list[Step]:
    """Return the steps of other images that hold a path which these are to get back."""
    paths = list({place[0] for one in steps for place in (one.former or {}).get("places", [])})
    query = select(images.c.id).join(locations, locations.c.ordinal == images.c.ordinal)
    ids = list({row.id for row in among(db, query, locations.c.path, paths)})
    left = select(undo_steps).where(undo_steps.c.token == token)
    return [Step(r.id, r.former, r.later) for r in among(db, left, undo_steps.c.id, ids)]


def forget(db: Connection, token: str) -> None:
    """Drop all that a token takes back."""
    db.execute(delete(undo_steps).where(undo_steps.c.token == token))
    db.execute(delete(undos).where(undos.c.token == token))


def numbers_of(db: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Return the numbers of the images that are there."""
    rows = among(db, select(images.c.id, images.c.ordinal), images.c.id, ids)
    return {row.id: row.ordinal for row in rows}


def _remove(db: Connection, token: str, ids: Sequence[str]) -> None:
    for some in some_of(ids):
        where = undo_steps.c.token == token, undo_steps.c.id.in_(some)
        db.execute(delete(undo_steps).where(*where))
