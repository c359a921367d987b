"""Table of judgements of hits, kept apart from tags.

An image that is deleted keeps its judgements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select

from services.indexer.catalog.database import Database
from services.indexer.catalog.schema import judgements
from shared.contracts.judgements import Draw


@dataclass(frozen=True)
class JudgementRow:
    """One word on one hit. kind: `term` or `id`, what the search was by."""

    kind: str
    search: str
    id: str
    right: bool
    judged_at: str
    draw: Draw | None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind, self.search, self.id


class JudgementTable:
    """Keeps one judgement of each hit of a search, the last one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, row: JudgementRow) -> None:
        """Keep a judgement in place of an earlier one."""
        draw = None if row.draw is None else row.draw.model_dump()
        with self._database.note() as db:
            db.execute(delete(judgements).where(_is(row.key)))
            db.execute(
                insert(judgements).values(
                    kind=row.kind,
                    search=row.search,
                    id=row.id,
                    right=row.right,
                    judged_at=row.judged_at,
                    draw=draw,
                )
            )

    def remove(self, key: tuple[str, str, str]) -> None:
        """Take a judgement back, if there is one."""
        with self._database.note() as db:
            db.execute(delete(judgements).where(_is(key)))

    def page(
        self, limit: int, after: tuple[str, str, str, str] | None = None
    ) -> tuple[Sequence[JudgementRow], int]:
        """Return some judgements, the oldest first, and the number of all.

        after: time and key of the last one of the page before.
        """
        table = judgements.c
        order = (table.judged_at, table.kind, table.search, table.id)
        query = select(judgements).order_by(*order).limit(limit)
        if after is not None:
            # Spelt out, because comparisons of tuples differ between databases.
            query = query.where(
                or_(
                    *(
                        and_(
                            *(c == v for c, v in zip(order[:n], after[:n], strict=True)),
                            order[n] > after[n],
                        )
                        for n in range(len(order))
                    )
                )
            )
        with self._database.read() as db:
            total = db.execute(select(func.count()).select_from(judgements)).scalar_one()
            rows = [
                JudgementRow(
                    one.kind,
                    one.search,
                    one.id,
                    one.right,
                    one.judged_at,
                    None if one.draw is None else Draw.model_validate(one.draw),
                )
                for one in db.execute(query)
            ]
        return rows, total


def _is(key: tuple[str, str, str]) -> ColumnElement[bool]:
    kind, search, image_id = key
    table = judgements.c
    return and_(table.kind == kind, table.search == search, table.id == image_id)
