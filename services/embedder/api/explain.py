"""Explanations of similarities: heat maps as numbers and over a picture."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response

from services.embedder.api.embed import HostedModels, Network
from services.embedder.api.uploads import body_of, uploads_beside
from services.embedder.backbones.backbone import Backbone
from services.embedder.decoding.decoder import Decoded
from services.embedder.explaining.explainer import Explained
from services.embedder.explaining.overlay import overlay
from services.embedder.hosting.host import Hosted
from services.embedder.images import ImageEmbedder
from services.embedder.matching.joint import encoder_of, joint_terms
from services.embedder.preprocess import Preprocessing
from shared.contracts.embedder import FINGERPRINT_HEADER, ImageSpace
from shared.contracts.explanation import Box, Explanation, Heat
from shared.core.errors import InvalidInput
from shared.maths.projection import Projection
from shared.web.admission import IMAGES, admits
from shared.web.keys import Scope
from shared.web.media import PNG
from shared.web.problems import (
    BAD_IMAGE,
    BUSY,
    DAMAGED,
    LOADING,
    NO_CELLS,
    NO_NETWORK,
    OTHER_NETWORK,
    UNKNOWN_TERM,
    UNTRAINED,
    problems,
)
from shared.web.scoped import ScopedRoute, needs

_OVERLAY_PIXELS = 512
_TRANSFORM = "transform"
_BODY = body_of(
    {
        _TRANSFORM: {
            "type": "string",
            "format": "binary",
            "description": "For `visual`: the projection that the index compares by. Little-endian "
            "float32 rows of the features' length: the mean, then each direction.",
        }
    }
)

router = APIRouter(
    prefix="/v1/explain",
    tags=["explaining"],
    route_class=ScopedRoute,
    responses=problems(
        BAD_IMAGE,
        UNKNOWN_TERM,
        NO_CELLS,
        NO_NETWORK,
        UNTRAINED,
        OTHER_NETWORK,
        BUSY,
        LOADING,
        DAMAGED,
    ),
)


@dataclass(frozen=True)
class ExplainRequest:
    """Request for an explanation: the files, the backbone, and the result."""

    embedder: ImageEmbedder
    files: list[bytes]
    fingerprint: str
    decoded: list[Decoded]
    explained: Explained

    def heat(self, index: int) -> Heat:
        left, top, right, bottom = self.embedder.backbone.preprocessing.seen(
            *self.decoded[index].size
        )
        return Heat(
            grid=self.explained.grids[index].tolist(),
            seen=Box(left=left, top=top, right=right, bottom=bottom),
        )


async def asked(
    request: Request,
    models: HostedModels,
    space: Annotated[
        ImageSpace,
        Query(
            description="`visual`: exact if the network ends in an average pool; `joint`: "
            "approximate."
        ),
    ] = ImageSpace.VISUAL,
    term: Annotated[
        str | None, Query(description="Term to compare one file with, in the joint space.")
    ] = None,
    network: Network = None,
) -> ExplainRequest:
    """Two files, of which the first is to be explained by the second; or one, and a term."""
    files, transform = await uploads_beside(request, _TRANSFORM)
    if term is not None and space is not ImageSpace.JOINT:
        raise InvalidInput("A term is explained in the joint space: add `space=joint`.")
    if len(files) != (wanted := 2 if term is None else 1):
        raise InvalidInput(f"Send {wanted} files; {len(files)} came.")
    if transform is not None and space is not ImageSpace.VISUAL:
        raise InvalidInput("A transform is of the visual space; leave it out, or `space`.")
    embedder = models.visual if space is ImageSpace.VISUAL else models.matching
    projection = None
    if transform is not None:
        projection = Projection.from_bytes(transform, embedder.backbone.dim)
    decoded = [await embedder.decode(data) for data in files]
    # One explanation at a time, so that other requests get their share of threads.
    async with models.explainer.turn:
        fingerprint, explained = await asyncio.to_thread(
            _explained, models, embedder.backbone, decoded, space, term, network, projection
        )
    return ExplainRequest(embedder, files, fingerprint, decoded, explained)


Explaining = Annotated[ExplainRequest, Depends(asked)]


@router.post("/images", summary="Explain a similarity as heat maps", openapi_extra=_BODY)
@needs(Scope.READ)
@admits(IMAGES)
async def explain_images(found: Explaining) -> Explanation:
    """Return how much each cell of a picture adds to its similarity with a second picture or with a
    term. The grids of `visual` sum to the cosine.
    """
    return Explanation(
        fingerprint=found.fingerprint,
        cosine=found.explained.cosine,
        approximate=found.explained.approximate,
        heats=[found.heat(index) for index in range(len(found.files))],
    )


@router.post(
    "/overlay",
    summary="Draw an explanation over the first picture, as a PNG",
    response_class=Response,
    responses=PNG,
    openapi_extra=_BODY,
)
@needs(Scope.READ)
@admits(IMAGES)
async def draw_explanation(found: Explaining) -> Response:
    """Red cells add to the similarity, blue cells reduce it; the parts that the network didn't see
    are dark.
    """
    width, height = found.decoded[0].size
    scale = _OVERLAY_PIXELS / max(width, height)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    whole = Preprocessing(resize=size, crop=size, squash=True)
    picture = (await found.embedder.decode(found.files[0], whole)).pixels
    drawn = await asyncio.to_thread(overlay, picture, found.heat(0))
    headers = {FINGERPRINT_HEADER: found.fingerprint}
    return Response(drawn, media_type="image/png", headers=headers)


def _explained(
    models: Hosted,
    backbone: Backbone,
    decoded: list[Decoded],
    space: ImageSpace,
    term: str | None,
    network: str | None,
    projection: Projection | None,
) -> tuple[str, Explained]:
    pictures = [picture.pixels for picture in decoded]
    if space is not ImageSpace.JOINT:
        return backbone.fingerprint, models.explainer.pair(backbone, pictures, projection)
    matcher = models.networks.get(network)
    goal = None
    if term is not None:
        encoder = encoder_of(matcher.network, models.words, models.meanings)
        features = np.array(encoder.embed([term]), np.float32)
        goal = joint_terms(matcher.network, encoder, features)[0]
    explained = models.explainer.joint(backbone, matcher.network, pictures, goal)
    return matcher.fingerprint, explained
