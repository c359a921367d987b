"""The indexer's calls that a page needs, at the same paths, so that one address is enough."""

from dataclasses import replace
from typing import Annotated, Any, TypeVar

import httpx
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.requests import ClientDisconnect

from services.query.config import QuerySettings
from shared.clients import indexer
from shared.clients.transport import AsyncClient, Call
from shared.contracts import annotations
from shared.contracts.indexer import (
    Added,
    BuildSettings,
    Deleted,
    Image,
    ImagePatch,
    IndexHealth,
    IngestRequest,
    Snapshots,
    TrainMatchingRequest,
)
from shared.contracts.jobs import Failures, Job, Jobs, PageQuery
from shared.contracts.source_folders import SourceFolders, SourceFoldersQuery
from shared.core.errors import InvalidInput
from shared.snapshots.version import HEADER
from shared.web import links
from shared.web.admission import JSON, PASSED_ON, QUICK, admits
from shared.web.keys import Scope
from shared.web.problems import (
    BAD_NUMBER,
    BUSY,
    DAMAGED,
    DISK_FULL,
    DRIFTED,
    EMPTY_SNAPSHOT,
    EXTERNAL_VECTORS,
    JOB_ENDED,
    NO_EMBEDDER,
    NO_FOLDER,
    NO_IMAGE,
    NO_INDEXER,
    NO_JOB,
    NO_SNAPSHOT,
    OTHER_MODEL,
    OUTSIDE_ROOTS,
    TOO_MANY_FILES,
    problems,
)
from shared.web.scoped import ScopedRoute, needs

T = TypeVar("T")

router = APIRouter(
    prefix="/v1", tags=["manage"], responses=problems(NO_INDEXER), route_class=ScopedRoute
)

# Declared by hand: FastAPI would parse the form and keep it in memory before it is passed on.
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "examples": [{"files": ["castle.jpg"], "tags": "trip,favourite"}],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                            "description": "Image files.",
                        },
                        "tags": {
                            "type": "string",
                            "default": "",
                            "description": f"Comma-separated. {annotations.TAGS_DESCRIPTION}",
                        },
                        "metadata": {
                            "type": "string",
                            "default": "{}",
                            "description": annotations.METADATA_DESCRIPTION,
                        },
                    },
                }
            }
        },
    }
}


class AsCaller:
    """Calls the indexer with the caller's key, so that nobody gains rights through this service.

    Only the headers named here are forwarded.
    """

    def __init__(self, request: Request, response: Response) -> None:
        self._client: AsyncClient = request.app.state.indexer
        self._uploading: AsyncClient = request.app.state.uploading
        self._answer = response
        key = request.headers.get("authorization")
        self._headers = {"Authorization": key} if key else {}

    async def send(self, call: Call[T]) -> T:
        def read(response: httpx.Response) -> T:
            # The version that the indexer wrote, even if this service hasn't loaded it yet.
            if version := response.headers.get(HEADER):
                self._answer.headers[HEADER] = version
            return call.read(response)

        # An upload holds its connection for as long as its sender takes.
        client = self._client if isinstance(call.content, bytes | None) else self._uploading
        return await client.send(replace(call.with_headers(self._headers), read=read))


Indexer = Annotated[AsCaller, Depends(AsCaller)]


def _settings(request: Request) -> QuerySettings:
    found: QuerySettings = request.app.state.settings
    return found


Settings = Annotated[QuerySettings, Depends(_settings)]


@router.post(
    "/images",
    summary="Add pictures and wait until they are searchable",
    responses=links.to("image_id", "/items/0/id", "get_image", "patch_image", "delete_image")
    | problems(
        OTHER_MODEL, DRIFTED, EXTERNAL_VECTORS, TOO_MANY_FILES, BUSY, NO_EMBEDDER, DISK_FULL
    ),
    openapi_extra=_UPLOAD,
)
@needs(Scope.WRITE)
@admits(PASSED_ON)
async def add_images(here: Indexer, request: Request) -> Added:
    """Store and index the pictures with their tags and metadata. A picture that can't be read is
    reported in its item; the others are added.
    """
    call = indexer.add_form(request.stream(), request.headers.get("content-type", ""))
    if length := request.headers.get("content-length"):
        call = call.with_headers({"Content-Length": length})
    try:
        return await here.send(call)
    except ClientDisconnect:
        raise InvalidInput("The upload was interrupted. Send it again.") from None


@router.patch(
    "/images/{image_id:path}",
    summary="Replace an image's tags or metadata",
    responses=problems(NO_IMAGE, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
async def patch_image(here: Indexer, image_id: str, patch: ImagePatch) -> Image:
    """Replace each given field as a whole; the other fields stay."""
    return await here.send(indexer.patch_image(image_id, patch))


@router.delete(
    "/images/{image_id:path}",
    summary="Delete an image",
    responses=problems(NO_IMAGE, DISK_FULL),
)
@needs(Scope.WRITE)
async def delete_image(here: Indexer, image_id: str) -> Deleted:
    """Remove the image from every answer at once; it lies in the trash for some days. It stays
    deleted after a rollback.
    """
    return await here.send(indexer.delete_image(image_id))


@router.post(
    "/ingest",
    status_code=202,
    summary="Ingest a folder, an archive or a manifest",
    responses=problems(OUTSIDE_ROOTS, EXTERNAL_VECTORS, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
async def ingest(here: Indexer, request: IngestRequest, settings: Settings) -> Job:
    """Start a job that reads, embeds and records the pictures of a source, then builds the index
    unless `build` is false. With `sync`, the collection follows the source.
    """
    # Only callers on this machine may use any folder; the indexer can't know who calls this
    # service.
    confined = request.confined or not settings.is_local
    return await here.send(indexer.ingest(request.model_copy(update={"confined": confined})))


@router.get(
    "/ingest/folders",
    summary="Look for a folder to ingest",
    responses=problems(OUTSIDE_ROOTS, NO_FOLDER),
)
@needs(Scope.WRITE)
async def list_source_folders(
    here: Indexer, query: Annotated[SourceFoldersQuery, Query()], settings: Settings
) -> SourceFolders:
    """Return the folders in a folder of the indexer's machine that may be ingested; without `path`,
    those to start from. Hidden folders and links are left out.
    """
    confined = query.confined or not settings.is_local
    return await here.send(indexer.list_source_folders(query.path, confined))


@router.get(
    "/index",
    summary="Get how the index has changed since it was built",
    responses=problems(DAMAGED),
)
@needs(Scope.READ)
async def get_index_health(here: Indexer) -> IndexHealth:
    """Return the drift of the clusters, the shares of additions and deletions, and advice on
    whether a rebuild is due.
    """
    return await here.send(indexer.get_index_health())


@router.post(
    "/index/build",
    status_code=202,
    summary="Rebuild the index",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
async def build_index(here: Indexer, settings: BuildSettings) -> Job:
    """Start a job that clusters all images, measures the recall and publishes a new snapshot. After
    a model change it re-embeds every image.
    """
    return await here.send(indexer.build_index(settings))


@router.post(
    "/matching/train",
    status_code=202,
    summary="Train the matching network",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
async def train_matching(here: Indexer, request: TrainMatchingRequest) -> Job:
    """Start a job that trains the network on the tagged images, projects all images again and
    publishes a new snapshot.
    """
    return await here.send(indexer.train_matching(request))


@router.get("/jobs", summary="List the jobs")
@needs(Scope.READ)
async def list_jobs(here: Indexer, query: Annotated[PageQuery, Query()]) -> Jobs:
    """Return a page of the jobs, newest first."""
    return await here.send(indexer.list_jobs(query.limit, query.cursor))


@router.get("/jobs/{job_id}", summary="Get a job's state and progress", responses=problems(NO_JOB))
@needs(Scope.READ)
async def get_job(here: Indexer, job_id: str) -> Job:
    """Return the state of a job, its progress, and its result or error once it has ended."""
    return await here.send(indexer.get_job(job_id))


@router.delete(
    "/jobs/{job_id}", summary="Cancel a job", responses=problems(NO_JOB, JOB_ENDED, DISK_FULL)
)
@needs(Scope.WRITE)
async def cancel_job(here: Indexer, job_id: str) -> Job:
    """Cancel a queued job, or ask a running job to stop. Recorded pictures are kept."""
    return await here.send(indexer.cancel_job(job_id))


@router.get(
    "/jobs/{job_id}/failures",
    summary="List the pictures that a job could not process",
    responses=problems(NO_JOB),
)
@needs(Scope.READ)
async def list_job_failures(
    here: Indexer, job_id: str, query: Annotated[PageQuery, Query()]
) -> Failures:
    """Return a page of these pictures by path, each with the reason."""
    return await here.send(indexer.list_job_failures(job_id, query.limit, query.cursor))


@router.get("/snapshots", summary="List the snapshots")
@needs(Scope.READ)
async def list_snapshots(here: Indexer) -> Snapshots:
    """Return the available snapshots, newest first."""
    return await here.send(indexer.list_snapshots())


@router.post(
    "/snapshots/{number}/activate",
    summary="Roll back to a snapshot",
    responses=problems(
        NO_SNAPSHOT, EMPTY_SNAPSHOT, BAD_NUMBER, BUSY, NO_EMBEDDER, DAMAGED, DISK_FULL
    ),
)
@needs(Scope.WRITE)
@admits(QUICK)
async def activate_snapshot(here: Indexer, number: int) -> Snapshots:
    """Make an older snapshot the current one. Deleted pictures stay deleted."""
    return await here.send(indexer.activate_snapshot(number))
