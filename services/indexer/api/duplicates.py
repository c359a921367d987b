"""Duplicates with a budget of error: compare, plan, delete."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from services.indexer.api.jobs import submitted
from services.indexer.container import Container, container
from shared.contracts.duplicates import (
    DeleteDuplicates,
    DuplicatePlan,
    DuplicatesDeleted,
    PlanQuery,
)
from shared.contracts.jobs import Job, JobKind
from shared.web.admission import IDS, QUICK, admits
from shared.web.keys import Scope
from shared.web.problems import DISK_FULL, OTHER_PLAN, problems
from shared.web.scoped import ScopedRoute, needs
from shared.web.write_log import tell

router = APIRouter(prefix="/v1", tags=["curation"], route_class=ScopedRoute)
Here = Annotated[Container, Depends(container)]


@router.post(
    "/duplicates/compare",
    status_code=202,
    summary="Compare pictures that may be duplicates",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(QUICK)
def compare_duplicates(call: Request) -> Job:
    """Start a job that takes a second look, at pixels and local features, at pictures that were not
    compared yet. It resumes where an earlier one ended.
    """
    return submitted(call, JobKind.DUPLICATES)


@router.get(
    "/duplicates/plan",
    summary="Plan the deletion of duplicates",
    responses=problems(OTHER_PLAN),
)
@needs(Scope.READ)
def plan_duplicates(here: Here, query: Annotated[PlanQuery, Query()]) -> DuplicatePlan:
    """Return the deletions of which at most the share `budget` is wrong, with 95 % confidence. Each
    deleted picture was compared with the one that is kept for it, which shows all that it shows.
    Nothing is deleted.
    """
    return here.duplicates.page(query)


@router.post(
    "/duplicates/delete",
    summary="Delete the duplicates of a plan",
    responses=problems(OTHER_PLAN, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(IDS)
def delete_duplicates(call: Request, here: Here, request: DeleteDuplicates) -> DuplicatesDeleted:
    """Move the pictures of a plan to the trash; kept pictures get the tags and metadata that they
    lack. `undo` takes back both.
    """
    done = here.duplicates.delete(request)
    tell(call, deleted=done.deleted)
    return done
