"""Jobs of the indexer and their progress."""

import re
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire


class JobKind(StrEnum):
    """Kinds of jobs."""

    INGEST = "ingest"
    BUILD = "build"
    TRAIN = "train"
    COMPACT = "compact"
    IMPORT = "import"
    REEMBED = "reembed"
    MIGRATE = "migrate"
    LEARN = "learn"
    LABEL = "label"
    ACCEPT_LABELS = "accept-labels"
    FACTS = "facts"
    UNDO = "undo"
    TEXT = "text"
    DUPLICATES = "duplicates"
    FRAMES = "frames"


class JobState(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class SkippedStep(Wire):
    """An optional step that failed without failing its job.

    A job's result lists these as `skipped_steps`, unless every step succeeded.
    """

    step: str = Field(description="Name of the step.")
    reason: str = Field(description="Reason, in one sentence.")


class Progress(Wire):
    """Progress of a job. `eta_s` and `per_second` are null until they are known."""

    stage: str = Field("", description="Name of the current stage.")
    done: int = Field(0, description="Number of pictures done.")
    total: int = Field(0, description="Number of pictures in the job.")
    failed: int = Field(0, description="Number of pictures that failed.")
    per_second: float | None = Field(None, description="Pictures per second; null: not known yet.")
    eta_s: float | None = Field(
        None, description="Seconds until the job ends, with all stages to come."
    )
    stage_done: int = Field(0, description="Progress within the stage.")
    stage_total: int = Field(0, description="End of the stage; 0: unknown.")
    seconds: dict[str, float] = Field(
        default_factory=dict, description="Duration of each stage so far."
    )


_DETAIL = re.compile(r", | (?=\d[\d ]* of \d)")


def parts_of(stage: str) -> tuple[str, str]:
    """Return the name of a stage and the detail that follows it, such as `round 3 of 20`."""
    name, *detail = _DETAIL.split(stage, maxsplit=1)
    return name, "".join(detail)


_JOB: dict[str, Any] = {
    "id": "32ecbc1412174aec91d90d77d2665e5b",
    "kind": "ingest",
    "state": "running",
    "progress": {
        "stage": "embedding",
        "done": 1472,
        "total": 2500,
        "failed": 1,
        "per_second": 212.4,
        "eta_s": 14.8,
        "stage_done": 1472,
        "stage_total": 2500,
        "seconds": {"reading the source": 0.2, "embedding": 7.0},
    },
    "error": None,
    "result": None,
    "created_at": "2026-11-22T05:43:50+00:00",
    "finished_at": None,
}


class Job(Wire):
    """A job of the indexer."""

    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})

    id: str = Field(description="Id of the job.")
    kind: JobKind = Field(description="Kind of job.")
    state: JobState = Field(description="State of the job.")
    progress: Progress = Field(description="Progress of the job.")
    error: str | None = Field(None, description="Error of a failed job, in one sentence.")
    result: dict[str, Any] | None = Field(None, description="Result of a job that succeeded.")
    created_at: str = Field(description="Time of the request, ISO 8601.")
    finished_at: str | None = Field(None, description="Time of the end, ISO 8601; null: not ended.")
    source: str | None = Field(None, description="Folder, manifest or URL that the job reads.")
    dry_run: bool = Field(False, description="The job only tells what it would do.")


class PageQuery(Wire):
    """Parameters of a page of a list."""

    limit: int = Field(100, ge=1, le=1000, description="Entries of a page.")
    cursor: str | None = Field(
        None, max_length=8192, description="`next` of the page before; omit it for the first."
    )


class Jobs(Wire):
    """Page of the list of jobs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"jobs": [_JOB], "next": None}]})

    jobs: list[Job] = Field(description="Jobs, the newest first.")
    next: str | None = Field(None, description="The `cursor` of the next page; null on the last.")


class Failure(Wire):
    """A picture that a job could not ingest, and the reason."""

    path: str = Field(description="Path or URL of the picture.")
    reason: str = Field(description="Reason, in one sentence.")


class Failures(Wire):
    """Page of the list of a job's failed pictures."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "failures": [
                        {"path": "castle/broken.jpg", "reason": "The image is truncated."}
                    ],
                    "total": 1,
                    "next": None,
                }
            ]
        }
    )

    failures: list[Failure] = Field(description="Pictures that failed, by path.")
    total: int = Field(
        0,
        description="Number of pictures that are listed on all pages; of more than "
        "ISE_JOB_FAILURES, the job's progress has the number alone.",
    )
    next: str | None = Field(None, description="The `cursor` of the next page; null on the last.")
