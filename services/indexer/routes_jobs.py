"""Long work: ingest, build, training; and how far it is."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends

from services.indexer.parts import Parts, parts
from services.indexer.sources import check_allowed
from shared.contracts.indexer import (
    BuildSettings,
    IngestRequest,
    ReembedRequest,
    TrainMatchingRequest,
)
from shared.contracts.jobs import Failures, Job, JobKind, Jobs
from shared.errors import InvalidInput
from shared.web.problems import (
    DISK_FULL,
    EXTERNAL_VECTORS,
    JOB_ENDED,
    NO_JOB,
    OUTSIDE_ROOTS,
    problems,
)

router = APIRouter(prefix="/v1", tags=["jobs"])
Here = Annotated[Parts, Depends(parts)]


@router.post(
    "/ingest",
    status_code=202,
    summary="Take in a folder or a manifest",
    responses=problems(OUTSIDE_ROOTS, EXTERNAL_VECTORS, DISK_FULL),
)
def ingest(here: Here, request: IngestRequest) -> Job:
    source = Path(request.source)
    if not source.is_absolute():
        raise InvalidInput("`source` must be an absolute path on the indexer's machine.")
    # Told at once rather than by a job that fails; the job checks every file again.
    check_allowed(source, here.ingest_roots)
    here.external.refuse_pictures()
    return here.jobs.submit(JobKind.INGEST, request.model_dump(mode="json"))


@router.post(
    "/index/build",
    status_code=202,
    summary="Cluster all images anew and publish",
    responses=problems(DISK_FULL),
)
def build_index(here: Here, settings: BuildSettings) -> Job:
    return here.jobs.submit(JobKind.BUILD, settings.model_dump(mode="json"))


@router.post(
    "/index/reembed",
    status_code=202,
    summary="Go over to the model of another embedder",
    responses=problems(DISK_FULL),
)
def reembed_index(here: Here, request: ReembedRequest) -> Job:
    """Embeds every image anew and builds, while the present index serves; then swaps them."""
    return here.jobs.submit(JobKind.REEMBED, request.model_dump(mode="json"))


@router.post(
    "/index/compact",
    status_code=202,
    summary="Merge additions and drop what was deleted; it happens by itself when it's due",
    responses=problems(DISK_FULL),
)
def compact_index(here: Here) -> Job:
    return here.jobs.submit(JobKind.COMPACT, {})


@router.post(
    "/matching/train",
    status_code=202,
    summary="Train the matching network, re-project, publish",
    responses=problems(DISK_FULL),
)
def train_matching(here: Here, request: TrainMatchingRequest) -> Job:
    return here.jobs.submit(JobKind.TRAIN, request.model_dump(mode="json"))


@router.get("/jobs", summary="All jobs, the newest first")
def list_jobs(here: Here) -> Jobs:
    return Jobs(jobs=here.job_table.all())


@router.get("/jobs/{job_id}", summary="How far a job is", responses=problems(NO_JOB))
def get_job(here: Here, job_id: str) -> Job:
    return here.job_table.get(job_id)


@router.delete(
    "/jobs/{job_id}", summary="Cancel a job", responses=problems(NO_JOB, JOB_ENDED, DISK_FULL)
)
def cancel_job(here: Here, job_id: str) -> Job:
    return here.jobs.cancel(job_id)


@router.get(
    "/jobs/{job_id}/failures",
    summary="The pictures that a job could not take, and why",
    responses=problems(NO_JOB),
)
def job_failures(here: Here, job_id: str) -> Failures:
    return Failures(failures=here.job_table.failures(job_id))
