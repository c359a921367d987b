"""Long work: ingest, build, training; and how far it is."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from services.indexer.container import Container, container
from services.indexer.sources.allowlist import check_allowed, check_path
from services.indexer.sources.browsing import source_folders
from services.indexer.sources.skipping import Rules
from shared.contracts.base import Wire
from shared.contracts.indexer import (
    BuildSettings,
    IngestRequest,
    ReembedRequest,
    TrainMatchingRequest,
)
from shared.contracts.jobs import Failures, Job, JobKind, Jobs, PageQuery
from shared.contracts.labels import AcceptLabelsRequest
from shared.contracts.migration import MigrateRequest
from shared.contracts.source_folders import SourceFolders, SourceFoldersQuery
from shared.contracts.text import TextRequest
from shared.web.admission import JSON, QUICK, admits
from shared.web.keys import Scope
from shared.web.problems import (
    DISK_FULL,
    EXTERNAL_VECTORS,
    JOB_ENDED,
    NO_FOLDER,
    NO_JOB,
    NOT_MOVED,
    OUTSIDE_ROOTS,
    problems,
)
from shared.web.scoped import ScopedRoute, needs
from shared.web.write_log import tell

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=ScopedRoute)
Here = Annotated[Container, Depends(container)]


def submitted(call: Request, kind: JobKind, request: Wire | None = None) -> Job:
    """The job that does what was asked."""
    asked = request.model_dump(mode="json") if request else {}
    job = container(call).jobs.submit(kind, asked)
    tell(call, job=job.id, **({"source": asked["source"]} if "source" in asked else {}))
    return job


@router.post(
    "/ingest",
    status_code=202,
    summary="Ingest a folder, an archive or a manifest",
    responses=problems(OUTSIDE_ROOTS, EXTERNAL_VECTORS, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def ingest(call: Request, here: Here, request: IngestRequest) -> Job:
    """Start a job that reads, embeds and records the pictures of a source, then builds the index
    unless `build` is false. With `sync`, the collection follows the source.
    """
    # Refuse at once instead of in the job, before the request is stored; the job checks every file
    # again.
    source = here.resolver.address(request.source)
    check_allowed(source, here.ingest_roots.of(request.confined))
    if source.is_local:
        check_path(Path(source.path))
    Rules(request.exclude)
    here.external.refuse_pictures()
    return submitted(call, JobKind.INGEST, request)


@router.get(
    "/ingest/folders",
    summary="Look for a folder to ingest",
    responses=problems(OUTSIDE_ROOTS, NO_FOLDER),
)
@needs(Scope.WRITE)
def list_source_folders(here: Here, query: Annotated[SourceFoldersQuery, Query()]) -> SourceFolders:
    """Return the folders in a folder of this machine that may be ingested; without `path`, those to
    start from. Hidden folders and links are left out.
    """
    return source_folders(query.path, here.ingest_roots.of(query.confined))


@router.post(
    "/index/build",
    status_code=202,
    summary="Rebuild the index",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def build_index(call: Request, settings: BuildSettings) -> Job:
    """Start a job that clusters all images, measures the recall and publishes a new snapshot. After
    a model change it re-embeds every image.
    """
    return submitted(call, JobKind.BUILD, settings)


@router.post(
    "/index/reembed",
    status_code=202,
    summary="Switch to another embedder's model",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def reembed_index(call: Request, request: ReembedRequest) -> Job:
    """Start a job that re-embeds every image and builds a new index while the current index serves,
    then swaps them.
    """
    return submitted(call, JobKind.REEMBED, request)


@router.post(
    "/index/compact",
    status_code=202,
    summary="Merge additions and purge deleted images",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(QUICK)
def compact_index(call: Request) -> Job:
    """Start a job that compacts the index. The indexer also does this automatically."""
    return submitted(call, JobKind.COMPACT)


@router.post(
    "/index/migrate",
    status_code=202,
    summary="Move the collection to the other engine",
    responses=problems(NOT_MOVED, DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def migrate_index(call: Request, here: Here, request: MigrateRequest) -> Job:
    """Start a job that copies the vectors, compares both engines' answers and then switches, while
    searches continue. A new request resumes an interrupted job.
    """
    here.migration.check(request.to)
    return submitted(call, JobKind.MIGRATE, request)


@router.post(
    "/matching/train",
    status_code=202,
    summary="Train the matching network",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def train_matching(call: Request, request: TrainMatchingRequest) -> Job:
    """Start a job that trains the network on the tagged images, projects all images again and
    publishes a new snapshot.
    """
    return submitted(call, JobKind.TRAIN, request)


@router.post(
    "/labels",
    status_code=202,
    summary="Compute the labels of all images",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(QUICK)
def compute_labels(call: Request) -> Job:
    """Start a job that computes labels from stored features, where the model has a classifier with
    named classes. Builds and additions also do this by themselves.
    """
    return submitted(call, JobKind.LABEL)


@router.post(
    "/labels/accept",
    status_code=202,
    summary="Accept labels as tags",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def accept_labels(call: Request, request: AcceptLabelsRequest) -> Job:
    """Start a job that adds each label of at least that probability as a tag. Tags that images
    have already stay as they are written.
    """
    return submitted(call, JobKind.ACCEPT_LABELS, request)


@router.post(
    "/text",
    status_code=202,
    summary="Read the text in pictures",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
@admits(JSON)
def read_text(call: Request, request: TextRequest) -> Job:
    """Start a job that reads the text in pictures that were not read yet. Where the extra `ocr` is
    installed, one starts by itself after pictures were added; other jobs interrupt it, and it
    resumes after them.
    """
    return submitted(call, JobKind.TEXT, request)


@router.get("/jobs", summary="List the jobs")
@needs(Scope.READ)
def list_jobs(here: Here, query: Annotated[PageQuery, Query()]) -> Jobs:
    """Return a page of the jobs, newest first."""
    return here.job_table.page(query.limit, query.cursor)


@router.get("/jobs/{job_id}", summary="Get a job's state and progress", responses=problems(NO_JOB))
@needs(Scope.READ)
def get_job(here: Here, job_id: str) -> Job:
    """Return the state of a job, its progress, and its result or error once it has ended."""
    return here.job_table.get(job_id)


@router.delete(
    "/jobs/{job_id}", summary="Cancel a job", responses=problems(NO_JOB, JOB_ENDED, DISK_FULL)
)
@needs(Scope.WRITE)
def cancel_job(call: Request, here: Here, job_id: str) -> Job:
    """Cancel a queued job, or ask a running job to stop. Recorded pictures are kept."""
    tell(call, job=job_id)
    return here.jobs.cancel(job_id)


@router.get(
    "/jobs/{job_id}/failures",
    summary="List the pictures that a job could not process",
    responses=problems(NO_JOB),
)
@needs(Scope.READ)
def list_job_failures(here: Here, job_id: str, query: Annotated[PageQuery, Query()]) -> Failures:
    """Return a page of these pictures by path, each with the reason."""
    return here.job_table.failures(job_id, query.limit, query.cursor)
