"""Figures of the collection."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.query.api.search import Ask
from services.query.canary import CanaryWatch
from shared.clients import indexer
from shared.clients.transport import AsyncClient
from shared.contracts.learning import Learning
from shared.contracts.query import Metric
from shared.contracts.stats import Stats
from shared.core import deadline
from shared.core.errors import ISEError
from shared.web.conditional import etag_of
from shared.web.keys import Scope
from shared.web.problems import DAMAGED, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(
    prefix="/v1", tags=["collection"], responses=problems(DAMAGED), route_class=ScopedRoute
)


_PATIENCE_S = 1.0


async def _learning(request: Request) -> Learning | None:
    """Return the indexer's state of learning; None if it doesn't answer at once."""
    client: AsyncClient = request.app.state.indexer
    with deadline.within(_PATIENCE_S):
        try:
            return (await client.send(indexer.get_stats())).learning
        except ISEError:
            return None


LearningOfIndexer = Annotated[Learning | None, Depends(_learning)]


@router.get(
    "/stats",
    summary="Get the collection's statistics",
    responses={304: {"description": "Unchanged since the `ETag` in `If-None-Match`."}},
)
@needs(Scope.READ)
def get_stats(ask: Ask, request: Request, response: Response, learning: LearningOfIndexer) -> Stats:
    """Return the collection's size, the measured recall, the calibration of probabilities, and the
    drift of the model.
    """
    canary: CanaryWatch = request.app.state.canary
    collection, deleted = ask.snapshots.current()
    manifest, visual = collection.manifest, collection.visual
    found = Stats(
        images=collection.live(deleted),
        clusters=visual.index.clusters if visual else 0,
        tags=len(collection.tags(deleted)),
        snapshot=manifest.number,
        model=visual.fingerprint if visual else None,
        network=collection.joint.fingerprint if collection.joint else None,
        metric=visual.index.metric if visual else Metric.COSINE,
        dim=visual.features_dim if visual else None,
        recall_curve=[
            curve for space in (visual, collection.joint) if space for curve in space.curves
        ],
        calibration=[
            one for space in (visual, collection.joint) if space for one in space.calibration
        ],
        live_recall=ask.audit.live_recall(manifest.number),
        drift=canary.drift(),
        learning=learning,
    )
    response.headers["ETag"] = f"W/{etag_of(found.model_dump_json().encode())}"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return found
