"""Operational routes: liveness, readiness and metrics.

The routes read everything from the app's state: FastAPI keeps the functions of routes for the life
of the process, with all that they enclose.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from shared.core.errors import Unavailable
from shared.core.version import VERSION
from shared.web import problem
from shared.web.metrics import Metrics
from shared.web.peers import Peers
from shared.web.problems import STARTING, Responses, problems


@dataclass(frozen=True)
class Readiness:
    """`not_ready` returns why a service can't serve, `warning` what is wrong with a part of it.

    `work`: work that needs each of `peers` and is paused while it is unavailable.
    """

    not_ready: Callable[[], str | None]
    warning: Callable[[], str | None]
    peers: Peers
    work: Mapping[str, str]


def _answer(example: dict[str, Any]) -> Responses:
    return {200: {"content": {"application/json": {"example": example}}}}


router = APIRouter(tags=["operations"])


@router.get(
    "/health",
    summary="Check that the process is alive",
    description="Return the version; answered as long as the process runs.",
    responses=_answer({"status": "alive", "version": VERSION}),
)
async def get_health() -> dict[str, str]:
    return {"status": "alive", "version": VERSION}


@router.get(
    "/ready",
    summary="Check that the service can serve requests",
    response_model=None,
    responses=_answer({"status": "ready"}) | problems(STARTING),
    description="A service is ready even if another service is unavailable, as long as "
    "it can answer some requests: `missing` then names the other service as "
    "away, slow or starting, and `paused` names the work that waits.",
)
async def get_readiness(request: Request) -> dict[str, Any] | JSONResponse:
    state = request.app.state
    readiness: Readiness = state.readiness
    # The reason is shown once, when the process ends.
    gives_up = getattr(state, "failure", None) is not None
    # In a thread, because it may read files.
    reason = (
        "It can't start, and is ending."
        if gives_up
        else await anyio.to_thread.run_sync(readiness.not_ready)
    )
    if reason is not None:
        return problem.response(Unavailable(reason, retry_after=2), "/ready")
    body: dict[str, Any] = {"status": "ready"}
    if warning := readiness.warning():
        body["warning"] = warning
    await readiness.peers.look()
    if paused := readiness.peers.paused(readiness.work):
        body["missing"] = readiness.peers.missing
        body["paused"] = paused
    return body


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    found: Metrics = request.app.state.metrics
    return await found.exposition()
