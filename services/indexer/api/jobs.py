"""Long work: ingest, build, training; and how far it is."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends

from services.indexer.container import Container, container
from services.indexer.sources.allowlist import check_allowed, check_path
from services.indexer.sources.skipping import Rules
from shared.contracts.base import Wire
from shared.contracts.indexer import (
    BuildSettings,
    IngestRequest,
    ReembedRequest,
    TrainMatchingRequest,
)
from shared.contracts.jobs import Failures, Job, JobKind, Jobs
from shared.contracts.migration import MigrateRequest
from shared.web.keys import Scope
from shared.web.problems import (
    DISK_FULL,
    EXTERNAL_VECTORS,
    JOB_ENDED,
    NO_JOB,
    NOT_MOVED,
    OUTSIDE_ROOTS,
    problems,
)
from shared.web.scoped import ScopedRoute, needs
from shared.web.write_log import tell

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=ScopedRoute)
Here = Annotated[Container, Depends(container)]


def submitted(here: Container, kind: JobKind, request: Wire | None = None) -> Job:
    """The job that does what was asked."""
    asked = request.model_dump(mode="json") if request else {}
    job = here.jobs.submit(kind, asked)
    tell(job=job.id, **({"source": asked["source"]} if "source" in asked else {}))
    return job


@router.post(
    "/ingest",
    status_code=202,
    summary="Take in a folder, an archive or a manifest",
    responses=problems(OUTSIDE_ROOTS, EXTERNAL_VECTORS, DISK_FULL),
)
@needs(Scope.WRITE)
def ingest(here: Here, request: IngestRequest) -> Job:
    # Told at once rather than by a job that fails, and never kept; the job checks every file again.
    source = here.reach.address(request.source)
    check_allowed(source, here.ingest_roots.of(request.confined))
    if source.is_local:
        check_path(Path(source.path))
    Rules(request.exclude)
    here.external.refuse_pictures()
    return submitted(here, JobKind.INGEST, request)


@router.post(
    "/index/build",
    status_code=202,
    summary="Cluster all images anew and publish",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
def build_index(here: Here, settings: BuildSettings) -> Job:
    return submitted(here, JobKind.BUILD, settings)


@router.post(
    "/index/reembed",
    status_code=202,
    summary="Go over to the model of another embedder",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
def reembed_index(here: Here, request: ReembedRequest) -> Job:
    """Embeds every image anew and builds, while the present index serves; then swaps them."""
    return submitted(here, JobKind.REEMBED, request)


@router.post(
    "/index/compact",
    status_code=202,
    summary="Merge additions and drop what was deleted; it happens by itself when it's due",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
def compact_index(here: Here) -> Job:
    return submitted(here, JobKind.COMPACT)


@router.post(
    "/index/migrate",
    status_code=202,
    summary="Move the collection to the other engine",
    responses=problems(NOT_MOVED, DISK_FULL),
)
@needs(Scope.WRITE)
def migrate_index(here: Here, request: MigrateRequest) -> Job:
    """Copies the vectors, compares both engines' answers, and goes over; searches go on. A job that
    broke off goes on where it was when it's asked for again."""
    here.migration.check(request.to)
    return submitted(here, JobKind.MIGRATE, request)


@router.post(
    "/matching/train",
    status_code=202,
    summary="Train the matching network, re-project, publish",
    responses=problems(DISK_FULL),
)
@needs(Scope.WRITE)
def train_matching(here: Here, request: TrainMatchingRequest) -> Job:
    return submitted(here, JobKind.TRAIN, request)


@router.get("/jobs", summary="All jobs, the newest first")
@needs(Scope.READ)
def list_jobs(here: Here) -> Jobs:
    return Jobs(jobs=here.job_table.all())


@router.get("/jobs/{job_id}", summary="How far a job is", responses=problems(NO_JOB))
@needs(Scope.READ)
def get_job(here: Here, job_id: str) -> Job:
    return here.job_table.get(job_id)


@router.delete(
    "/jobs/{job_id}", summary="Cancel a job", responses=problems(NO_JOB, JOB_ENDED, DISK_FULL)
)
@needs(Scope.WRITE)
def cancel_job(here: Here, job_id: str) -> Job:
    tell(job=job_id)
    return here.jobs.cancel(job_id)


@router.get(
    "/jobs/{job_id}/failures",
    summary="The pictures that a job could not take, and why",
    responses=problems(NO_JOB),
)
@needs(Scope.READ)
def job_failures(here: Here, job_id: str) -> Failures:
    return Failures(failures=here.job_table.failures(job_id))
