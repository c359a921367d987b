"""Many pictures at once, tags, the trash, and what is taken back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from services.indexer.api.jobs import submitted
from services.indexer.container import Container, container
from services.indexer.sources.annotations import parse_tags
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
from shared.contracts.jobs import Job, JobKind
from shared.core.errors import Conflict
from shared.web.admission import IDS, JSON, QUICK, admits
from shared.web.conditional import etag_of
from shared.web.keys import Scope
from shared.web.media import FENCED, JPEG, validators
from shared.web.problems import (
    BAD_IMAGE,
    DISK_FULL,
    JOB_NOT_UNDONE,
    NO_JOB,
    NO_TAG,
    NOT_TRASHED,
    NOTHING_TO_UNDO,
    SOURCE_AWAY,
    UNDO_OF_JOB,
    UNLABELLED,
    problems,
)
from shared.web.scoped import ScopedRoute, needs
from shared.web.write_log import tell

router = APIRouter(prefix="/v1", tags=["curation"], route_class=ScopedRoute)
Here = Annotated[Container, Depends(container)]


@router.post(
    "/images/bulk", summary="Change many images at once", responses=problems(UNLABELLED, DISK_FULL)
)
@needs(Scope.WRITE)
@admits(IDS)
def change_images(call: Request, here: Here, request: BulkRequest) -> Changed:
    """Change the tags or metadata of images, or delete them: all in one step, which `undo` takes
    back. An image that can't hold the change is reported; the others are changed.
    """
    parse_tags(request.add_tags)
    done = here.editor.bulk(request)
    tell(call, changed=done.changed, deleted=done.deleted)
    return done


@router.post("/tags/rename", summary="Rename or merge a tag", responses=problems(NO_TAG, DISK_FULL))
@needs(Scope.WRITE)
@admits(JSON)
def rename_tag(here: Here, request: RenameRequest) -> Renamed:
    """Give all images with a tag another tag in its stead. If images have that tag already, both
    become one.
    """
    return here.editor.rename(request.former, parse_tags([request.to])[0])


@router.post(
    "/undo/{token}",
    summary="Undo a change",
    responses=problems(NOTHING_TO_UNDO, UNDO_OF_JOB, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(QUICK)
def undo_change(here: Here, token: str) -> Undone:
    """Take back a bulk change, an edit of tags, a renaming or a deletion, by the `undo` of its
    answer. What was changed since then stays.
    """
    return here.editor.undo(token)


@router.post(
    "/jobs/{job_id}/undo",
    status_code=202,
    summary="Undo an ingest",
    responses=problems(NO_JOB, JOB_NOT_UNDONE, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(QUICK)
def undo_job(call: Request, here: Here, job_id: str) -> Job:
    """Start a job that moves what an ingest added to the trash, brings back what a sync deleted as
    long as it is there, and gives what was changed its former tags and metadata. What was changed
    since then stays. A later sync follows its files again.
    """
    job = here.job_table.get(job_id)
    if not job.state.ended:
        raise Conflict(f"Job {job_id} hasn't ended yet. Cancel it first, then undo it.")
    if not here.editor.can_undo(job_id):
        raise Conflict(
            f"Job {job_id} can't be undone: it added and changed no picture, it was undone "
            "already, or it is too old."
        )
    tell(call, job=job_id)
    return here.jobs.submit(JobKind.UNDO, {"job": job_id})


@router.post(
    "/facts",
    status_code=202,
    summary="Read dates, cameras, places and colours of pictures",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def read_facts(call: Request, request: FactsRequest) -> Job:
    """Start a job that reads the files whose facts are unknown, as of a collection of an earlier
    version. It embeds nothing.
    """
    return submitted(call, JobKind.FACTS, request)


@router.get("/trash", summary="List the trash")
@needs(Scope.READ)
def list_trash(here: Here, query: Annotated[TrashQuery, Query()]) -> TrashPage:
    """Return deleted images that can be restored, the last deleted first."""
    return here.trash.page(query.limit, query.cursor)


@router.post("/trash/restore", summary="Restore images", responses=problems(DISK_FULL))
@needs(Scope.WRITE)
@admits(IDS)
def restore_images(call: Request, here: Here, request: RestoreRequest) -> Restored:
    """Bring images back from the trash with their ids, tags and metadata. They are searchable when
    this is answered; nothing is embedded again.
    """
    done = here.trash.restore(request.ids)
    tell(call, restored=len(done.restored))
    return done


@router.delete("/trash", summary="Empty the trash", responses=problems(DISK_FULL))
@needs(Scope.WRITE)
def empty_trash(here: Here) -> Emptied:
    """Delete everything in the trash for good. Files of sources stay where they are."""
    return Emptied(deleted=here.trash.empty())


@router.get(
    "/trash/{image_id:path}/thumbnail",
    summary="Get a thumbnail of an image in the trash",
    response_class=Response,
    responses=JPEG | problems(NOT_TRASHED, BAD_IMAGE, SOURCE_AWAY),
)
@needs(Scope.READ)
def get_trashed_thumbnail(here: Here, image_id: str) -> Response:
    """Return a small JPEG of the upright image."""
    data = here.trash.thumbnail(image_id)
    headers = FENCED | validators(etag_of(data))
    return Response(data, media_type="image/jpeg", headers=headers)
