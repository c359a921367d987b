"""Counts of the catalogue, for monitoring."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import features, images, jobs
from shared.contracts.jobs import JobState


@dataclass(frozen=True)
class JobFigures:
    """`counts` by kind and state; `succeeded`: when the last of a kind did, in Unix seconds."""

    counts: Mapping[tuple[str, str], int]
    succeeded: Mapping[str, float]


class Figures:
    """Reads counts; each is one query of indexed columns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def images(self) -> int:
        with self._database.read() as db:
            return int(db.execute(select(func.count()).select_from(images)).scalar_one())

    def changed_since(self, revision: int) -> int:
        """Images that were added or changed after a revision."""
        query = select(func.count()).select_from(images).where(images.c.revision > revision)
        with self._database.read() as db:
            return int(db.execute(query).scalar_one())

    def without_features(self, fingerprint: str) -> int:
        """Images that have no features of a model."""
        with_them = (
            select(func.count()).select_from(features).where(features.c.fingerprint == fingerprint)
        )
        with self._database.read() as db:
            every = select(func.count()).select_from(images)
            return int(db.execute(every).scalar_one() - db.execute(with_them).scalar_one())

    def jobs(self) -> JobFigures:
        """All jobs there ever were."""
        ended = func.max(jobs.c.finished_at)
        query = select(jobs.c.kind, jobs.c.state, func.count(), ended)
        with self._database.read() as db:
            rows = db.execute(query.group_by(jobs.c.kind, jobs.c.state)).all()
        return JobFigures(
            {(kind, state): count for kind, state, count, _ in rows},
            {
                kind: datetime.fromisoformat(last).timestamp()
                for kind, state, _, last in rows
                if state == JobState.SUCCEEDED.value and last
            },
        )
