"""What the collection is: tags with counts, and figures."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from services.query.canary import CanaryWatch
from services.query.routes_search import Ask
from shared.contracts.answer import TagCount
from shared.contracts.base import Wire
from shared.contracts.query import Metric, Tags
from shared.contracts.stats import Stats
from shared.keys import Scope
from shared.snapshots.items import tag_key
from shared.web.conditional import etag_of
from shared.web.problems import DAMAGED, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(
    prefix="/v1", tags=["collection"], responses=problems(DAMAGED), route_class=ScopedRoute
)


class TagQuery(Wire):
    """Which tags to tell of."""

    prefix: Annotated[str, Field(max_length=200)] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 20


@router.get("/tags", summary="Tags that begin with a text, the most frequent first")
@needs(Scope.READ)
def tags(ask: Ask, query: Annotated[TagQuery, Query()]) -> Tags:
    collection, dead = ask.shelf.current()
    wanted = tag_key(query.prefix)
    counts = [
        TagCount(tag=name, count=count)
        for key, (name, count) in collection.tag_counts(dead).items()
        if key.startswith(wanted)
    ]
    counts.sort(key=lambda found: (-found.count, tag_key(found.tag)))
    return Tags(tags=counts[: query.limit])


@router.get(
    "/stats",
    summary="Figures of the collection, its measured recall among them",
    responses={304: {"description": "They are as `If-None-Match` knows them."}},
)
@needs(Scope.READ)
def stats(ask: Ask, request: Request, response: Response) -> Stats:
    canary: CanaryWatch = request.app.state.canary
    collection, dead = ask.shelf.current()
    manifest, visual = collection.manifest, collection.visual
    found = Stats(
        images=collection.live(dead),
        clusters=visual.index.clusters if visual else 0,
        tags=len(collection.tag_counts(dead)),
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
    )
    response.headers["ETag"] = f"W/{etag_of(found.model_dump_json().encode())}"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return found
