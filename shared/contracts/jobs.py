"""Jobs of the indexer, and how far they are."""

import re
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field

from shared.contracts.base import Wire


class JobKind(StrEnum):
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


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class SkippedStep(Wire):
    """An optional step that a job went on without, and the reason in one sentence.

    A job's result lists them as `skipped_steps`; it has no such member where every step was done.
    """

    step: str
    reason: str


class Progress(Wire):
    """How far a job is. `eta_s` and `per_second` are null until they can be told.

    `done`, `total` and `failed` count pictures. `stage_done` of `stage_total` is how far the
    present stage is, in whatever it counts; 0 of 0 where it can't be told.
    """

    stage: str = ""
    done: int = 0
    total: int = 0
    failed: int = 0
    per_second: float | None = None
    eta_s: float | None = Field(None, description="Of the whole job, with the stages to come.")
    stage_done: int = 0
    stage_total: int = 0
    seconds: dict[str, float] = Field(
        default_factory=dict, description="Duration of each stage so far; the next job learns it."
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
    model_config = ConfigDict(json_schema_extra={"examples": [_JOB]})

    id: str
    kind: JobKind
    state: JobState
    progress: Progress
    error: str | None = None
    result: dict[str, Any] | None = None
    created_at: str
    finished_at: str | None = None
    source: str | None = Field(None, description="Folder, manifest or URL that the job reads.")
    dry_run: bool = Field(False, description="The job only tells what it would do.")


class Jobs(Wire):
    model_config = ConfigDict(json_schema_extra={"examples": [{"jobs": [_JOB]}]})

    jobs: list[Job]


class Failure(Wire):
    """A picture that a job could not take, and why."""

    path: str
    reason: str


class Failures(Wire):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"failures": [{"path": "castle/broken.jpg", "reason": "The image is truncated."}]}
            ]
        }
    )

    failures: list[Failure]
