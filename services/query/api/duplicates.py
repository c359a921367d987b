"""The indexer's calls about duplicates, at the same paths."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.query.api.manage import Indexer
from shared.clients import duplicates
from shared.contracts.duplicates import (
    DeleteDuplicates,
    DuplicatePlan,
    DuplicatesDeleted,
    PlanQuery,
)
from shared.contracts.jobs import Job
from shared.web.admission import IDS, QUICK, admits
from shared.web.keys import Scope
from shared.web.problems import DISK_FULL, NO_INDEXER, OTHER_PLAN, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(
    prefix="/v1", tags=["manage"], responses=problems(NO_INDEXER), route_class=ScopedRoute
)


@router.post(
    "/duplicates/compare",
    status_code=202,
    summary="Compare pictures that may be duplicates",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(QUICK)
async def compare_duplicates(here: Indexer) -> Job:
    """Start a job that takes a second look, at pixels and local features, at pictures that were not
    compared yet. It resumes where an earlier one ended.
    """
    return await here.send(duplicates.compare())


@router.get(
    "/duplicates/plan",
    summary="Plan the deletion of duplicates",
    responses=problems(OTHER_PLAN),
)
@needs(Scope.READ)
async def plan_duplicates(here: Indexer, query: Annotated[PlanQuery, Query()]) -> DuplicatePlan:
    """Return the deletions of which at most the share `budget` is wrong, with 95 % confidence. Each
    deleted picture was compared with the one that is kept for it, which shows all that it shows.
    Nothing is deleted.
    """
    return await here.send(duplicates.plan(query))


@router.post(
    "/duplicates/delete",
    summary="Delete the duplicates of a plan",
    responses=problems(OTHER_PLAN, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(IDS)
async def delete_duplicates(here: Indexer, request: DeleteDuplicates) -> DuplicatesDeleted:
    """Move the pictures of a plan to the trash; kept pictures get the tags and metadata that they
    lack. `undo` takes back both.
    """
    return await here.send(duplicates.delete(request))
