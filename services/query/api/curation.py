"""The indexer's calls that change many pictures, restore and take back, at the same paths."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.query.api.manage import Indexer
from shared.clients import curation
from shared.contracts.curation import (
    BulkRequest,
    Changed,
    Emptied,
    FactsRequest,
    Renamed,
    RenameRequest,
    Restored,
    RestoreRequest,
    TrashPage,
    TrashQuery,
    Undone,
)
from shared.contracts.jobs import Job
from shared.web.admission import IDS, JSON, QUICK, admits
from shared.web.keys import Scope
from shared.web.media import FENCED, JPEG, forwarded
from shared.web.problems import (
    BAD_IMAGE,
    DISK_FULL,
    JOB_NOT_UNDONE,
    NO_INDEXER,
    NO_JOB,
    NO_TAG,
    NOT_TRASHED,
    NOTHING_TO_UNDO,
    UNDO_OF_JOB,
    UNLABELLED,
    problems,
)
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(
    prefix="/v1", tags=["manage"], responses=problems(NO_INDEXER), route_class=ScopedRoute
)


@router.post(
    "/images/bulk", summary="Change many images at once", responses=problems(UNLABELLED, DISK_FULL)
)
@needs(Scope.WRITE)
@admits(IDS)
async def change_images(here: Indexer, request: BulkRequest) -> Changed:
    """Change the tags or metadata of images, or delete them: all in one step, which `undo` takes
    back. An image that can't hold the change is reported; the others are changed.
    """
    return await here.send(curation.change_images(request))


@router.post("/tags/rename", summary="Rename or merge a tag", responses=problems(NO_TAG, DISK_FULL))
@needs(Scope.WRITE)
@admits(JSON)
async def rename_tag(here: Indexer, request: RenameRequest) -> Renamed:
    """Give all images with a tag another tag in its stead. If images have that tag already, both
    become one.
    """
    return await here.send(curation.rename_tag(request.former, request.to))


@router.post(
    "/undo/{token}",
    summary="Undo a change",
    responses=problems(NOTHING_TO_UNDO, UNDO_OF_JOB, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(QUICK)
async def undo_change(here: Indexer, token: str) -> Undone:
    """Take back a bulk change, an edit of tags, a renaming or a deletion, by the `undo` of its
    answer. What was changed since then stays.
    """
    return await here.send(curation.undo_change(token))


@router.post(
    "/jobs/{job_id}/undo",
    status_code=202,
    summary="Undo an ingest",
    responses=problems(NO_JOB, JOB_NOT_UNDONE, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(QUICK)
async def undo_job(here: Indexer, job_id: str) -> Job:
    """Start a job that moves what an ingest added to the trash, brings back what a sync deleted as
    long as it is there, and gives what was changed its former tags and metadata. What was changed
    since then stays. A later sync follows its files again.
    """
    return await here.send(curation.undo_job(job_id))


@router.post(
    "/facts",
    status_code=202,
    summary="Read dates, cameras, places and colours of pictures",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
async def read_facts(here: Indexer, request: FactsRequest) -> Job:
    """Start a job that reads the files whose facts are unknown, as of a collection of an earlier
    version. It embeds nothing.
    """
    return await here.send(curation.read_facts(request.again))


@router.get("/trash", summary="List the trash")
@needs(Scope.READ)
async def list_trash(here: Indexer, query: Annotated[TrashQuery, Query()]) -> TrashPage:
    """Return deleted images that can be restored, the last deleted first."""
    return await here.send(curation.list_trash(query.limit, query.cursor))


@router.post("/trash/restore", summary="Restore images", responses=problems(DISK_FULL))
@needs(Scope.WRITE)
@admits(IDS)
async def restore_images(here: Indexer, request: RestoreRequest) -> Restored:
    """Bring images back from the trash with their ids, tags and metadata. They are searchable when
    this is answered; nothing is embedded again.
    """
    return await here.send(curation.restore_images(request.ids))


@router.delete("/trash", summary="Empty the trash", responses=problems(DISK_FULL))
@needs(Scope.WRITE)
async def empty_trash(here: Indexer) -> Emptied:
    """Delete everything in the trash for good. Files of sources stay where they are."""
    return await here.send(curation.empty_trash())


@router.get(
    "/trash/{image_id:path}/thumbnail",
    summary="Get a thumbnail of an image in the trash",
    response_class=Response,
    responses=JPEG | problems(NOT_TRASHED, BAD_IMAGE),
)
@needs(Scope.READ)
async def get_trashed_thumbnail(here: Indexer, request: Request, image_id: str) -> Response:
    """Return a small JPEG of the upright image."""
    names = ("If-None-Match", "If-Modified-Since", "Range", "If-Range")
    given = {name: request.headers[name] for name in names if name in request.headers}
    found = await here.send(curation.get_trashed_thumbnail(image_id, given))
    headers = FENCED | forwarded(found.headers)
    return Response(found.content, found.status_code, headers, found.headers.get("Content-Type"))
