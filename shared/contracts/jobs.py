"""Jobs of the indexer, and how far they are."""

from enum import StrEnum
from typing import Any

from pydantic import ConfigDict

from shared.contracts.base import Wire


class JobKind(StrEnum):
    INGEST = "ingest"
    BUILD = "build"
    TRAIN = "train"
    COMPACT = "compact"
    IMPORT = "import"
    REEMBED = "reembed"
    MIGRATE = "migrate"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Progress(Wire):
    """How far a job is. `eta_s` and `per_second` are null until they can be told."""

    stage: str = ""
    done: int = 0
    total: int = 0
    failed: int = 0
    per_second: float | None = None
    eta_s: float | None = None


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
        "eta_s": 4.8,
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
