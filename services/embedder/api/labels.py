"""Classifiers over named classes, by the model whose features they take."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from services.embedder.api.answers import RAW_BODY, hosted
from services.embedder.hosting.host import Hosted
from shared.contracts.embedder import FINGERPRINT_HEADER, RAW_MEDIA_TYPE
from shared.core.errors import NotFound
from shared.web.keys import Scope
from shared.web.problems import BROKEN_PROFILE, LOADING, NO_LABELS, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(prefix="/v1", tags=["models"], route_class=ScopedRoute)

_HEAD_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An `.npz` archive: `weight` (classes, dim) and `bias` (classes,) in "
        "float32, and `described`, the classes' names as JSON. Labels of a picture are the "
        "softmax of `weight @ features + bias`.",
        "content": {RAW_MEDIA_TYPE: RAW_BODY},
    }
}


@router.get(
    "/labels/{fingerprint}",
    summary="Download a model's classifier",
    response_class=Response,
    responses=_HEAD_RESPONSES | problems(NO_LABELS, BROKEN_PROFILE, LOADING),
)
@needs(Scope.READ)
async def get_labels(fingerprint: str, models: Annotated[Hosted, Depends(hosted)]) -> Response:
    """Return the classifier over named classes that a model's weights bring."""
    for embedder in (models.visual, models.matching):
        backbone = embedder.backbone
        if backbone.fingerprint == fingerprint and backbone.head is not None:
            return Response(
                await asyncio.to_thread(backbone.head.to_bytes),
                media_type=RAW_MEDIA_TYPE,
                headers={FINGERPRINT_HEADER: fingerprint, "ETag": f'"{backbone.head.digest}"'},
            )
    raise NotFound(f"No classifier with named classes is hosted for {fingerprint}.")
