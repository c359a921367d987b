"""Routes of judgements: a person's word on hits."""

import base64
import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import TypeAdapter

from services.indexer.catalog.judgements import JudgementRow
from services.indexer.container import Container, container
from shared.contracts.judgements import (
    MAX_SEARCH,
    JudgedSearch,
    Judgement,
    JudgementRequest,
    Judgements,
    JudgementsQuery,
)
from shared.core.errors import InvalidInput
from shared.terms.normal_form import normal_form
from shared.web.admission import JSON, admits
from shared.web.keys import Scope
from shared.web.problems import DISK_FULL, problems
from shared.web.scoped import ScopedRoute, needs
from shared.web.write_log import tell

router = APIRouter(prefix="/v1", tags=["curation"], route_class=ScopedRoute)
Here = Annotated[Container, Depends(container)]

_CURSOR: TypeAdapter[tuple[str, str, str, str]] = TypeAdapter(tuple[str, str, str, str])


@router.post("/judgements", summary="Judge a hit", responses=problems(DISK_FULL))
@needs(Scope.WRITE)
@admits(JSON)
def add_judgement(call: Request, here: Here, request: JudgementRequest) -> Judgement:
    """Keep whether a hit is right. It is no tag and changes none; a later judgement of the same hit
    replaces it, and null takes it back.
    """
    search = request.search
    kind, value = ("id", search.id) if search.term is None else ("term", normal_form(search.term))
    if len(value or "") > MAX_SEARCH:
        # One character may become many.
        raise InvalidInput(
            f"`search.term` has more than {MAX_SEARCH} characters in its normal form."
        )
    now = datetime.now(UTC).isoformat()
    if request.right is None:
        here.judgements.remove((kind, value or "", request.id))
    else:
        here.judgements.put(
            JudgementRow(kind, value or "", request.id, request.right, now, request.draw)
        )
    tell(call, image=request.id)
    return Judgement(
        search=search, id=request.id, right=request.right, draw=request.draw, judged_at=now
    )


@router.get("/judgements", summary="List judgements")
@needs(Scope.READ)
def list_judgements(here: Here, query: Annotated[JudgementsQuery, Query()]) -> Judgements:
    """Return what was said of hits, the oldest first."""
    after = None if query.cursor is None else _read(query.cursor)
    rows, total = here.judgements.page(query.limit + 1, after)
    page = rows[: query.limit]
    return Judgements(
        judgements=[_judgement(row) for row in page],
        total=total,
        next=_text(page[-1]) if len(rows) > query.limit else None,
    )


def _judgement(row: JudgementRow) -> Judgement:
    search = JudgedSearch.model_validate({row.kind: row.search})
    return Judgement(
        search=search, id=row.id, right=row.right, draw=row.draw, judged_at=row.judged_at
    )


def _text(last: JudgementRow) -> str:
    document = json.dumps([last.judged_at, *last.key], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode()


def _read(cursor: str) -> tuple[str, str, str, str]:
    try:
        return _CURSOR.validate_json(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise InvalidInput("`cursor` is not the `next` of an answer; omit it.") from None
