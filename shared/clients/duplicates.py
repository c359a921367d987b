"""The calls about duplicates; indexer and query have them."""

from typing import Any

from shared.clients.transport import Call, model
from shared.contracts.duplicates import (
    DeleteDuplicates,
    DuplicatePlan,
    DuplicatesDeleted,
    PlanQuery,
)
from shared.contracts.jobs import Job

_SLOW_S = 600.0


def compare() -> Call[Job]:
    """Start a job that compares pictures which may be duplicates."""
    return _post("/v1/duplicates/compare", None, Job)


def plan(query: PlanQuery) -> Call[DuplicatePlan]:
    """Plan the deletion of duplicates within a budget of error."""
    params = query.model_dump(mode="json", exclude_none=True)
    return Call(
        "GET", "/v1/duplicates/plan", model(DuplicatePlan), params=params, timeout_s=_SLOW_S
    )


def delete(request: DeleteDuplicates) -> Call[DuplicatesDeleted]:
    """Move the duplicates of a plan to the trash."""
    return _post("/v1/duplicates/delete", request.model_dump(mode="json"), DuplicatesDeleted)


def _post(path: str, body: Any, answer: Any) -> Call[Any]:
    return Call("POST", path, model(answer), json=body, timeout_s=_SLOW_S)
