"""Labels of the collection, and the jobs about them at the indexer."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.query.api.manage import Indexer
from services.query.api.search import Ask
from shared.clients import indexer
from shared.contracts.jobs import Job
from shared.contracts.labels import AcceptLabelsRequest, LabelCounts, LabelsQuery
from shared.web.admission import JSON, QUICK, admits
from shared.web.keys import Scope
from shared.web.problems import DAMAGED, DISK_FULL, NO_INDEXER, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(prefix="/v1", tags=["collection"], route_class=ScopedRoute)


@router.get("/labels", summary="List the labels that images show", responses=problems(DAMAGED))
@needs(Scope.READ)
def list_labels(ask: Ask, query: Annotated[LabelsQuery, Query()]) -> LabelCounts:
    """Return labels with the number of images that show each with at least that probability, and of
    those that lack it as a tag. Labels are suggestions of the model's classifier, never tags.
    """
    return ask.searcher_now().label_counts(query)


@router.post(
    "/labels",
    status_code=202,
    summary="Compute the labels of all images",
    responses=problems(NO_INDEXER, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(QUICK)
async def compute_labels(here: Indexer) -> Job:
    """Start a job that computes labels from stored features, where the model has a classifier with
    named classes. Builds and additions also do this by themselves.
    """
    return await here.send(indexer.compute_labels())


@router.post(
    "/labels/accept",
    status_code=202,
    summary="Accept labels as tags",
    responses=problems(NO_INDEXER, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
async def accept_labels(here: Indexer, request: AcceptLabelsRequest) -> Job:
    """Start a job that adds each label of at least that probability as a tag. Tags that images
    have already stay as they are written.
    """
    return await here.send(indexer.accept_labels(request))
