"""Tags to look at: those that look wrong, and those that pictures seem to lack."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from services.query.api.search import Ask
from services.query.search import tag_audit
from shared.contracts.base import Wire
from shared.contracts.tag_audit import AuditKind, TagAudit
from shared.web.admission import SEARCH, admits
from shared.web.keys import Scope
from shared.web.problems import DAMAGED, SEARCHES, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(
    prefix="/v1", tags=["collection"], responses=problems(DAMAGED), route_class=ScopedRoute
)


class AuditQuery(Wire):
    """Parameters of a tag audit."""

    kind: AuditKind = Field(
        AuditKind.WRONG,
        description="`wrong`: tags that look wrong; `missing`: pictures that seem to lack a tag.",
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(50, description="Number of tags.")


@router.get("/tags/audit", summary="Audit tags", responses=problems(SEARCHES))
@needs(Scope.READ)
@admits(SEARCH)
def list_suspicious_tags(ask: Ask, query: Annotated[AuditQuery, Query()]) -> TagAudit:
    """Return pictures that are less like the others of their tag than like those of another, or
    like those of a tag that they lack; the most telling first. Changes nothing: use
    `POST /v1/images/bulk`.
    """
    return tag_audit.audit(ask.searcher_now(), query.kind, query.limit)
