"""Embedding of images and terms."""

import asyncio
from statistics import fmean
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from numpy.typing import NDArray

from services.embedder.api.answers import ROWS_RESPONSES, hosted, instance_of, rows
from services.embedder.api.uploads import FILES_BODY, uploads
from services.embedder.backbones.backbone import Backbone
from services.embedder.batching.disconnects import unless_gone
from services.embedder.config import EmbedderSettings
from services.embedder.hosting.host import Hosted
from services.embedder.matching.joint import encoder_of, joint_terms
from services.embedder.metrics import EmbedderMetrics
from shared.contracts.crop import Crop
from shared.contracts.embedder import (
    COLORS_HEADER,
    EmbedTermsRequest,
    EngineSpeed,
    ImageModel,
    ImageSpace,
    Model,
    Models,
    TermSpace,
)
from shared.core.errors import InvalidInput, UnknownTerm
from shared.core.problem import CLIENT_CLOSED_REQUEST
from shared.core.trace import span
from shared.media.decoders import decoders
from shared.web.admission import IMAGES, JSON, admits, weigh
from shared.web.keys import Scope
from shared.web.priority import is_bulk
from shared.web.problems import (
    BAD_IMAGES,
    BROKEN_PROFILE,
    BUSY,
    DAMAGED,
    LOADING,
    NO_NETWORK,
    NO_PROFILE,
    OTHER_NETWORK,
    TOO_SLOW,
    UNKNOWN_TERM,
    UNTRAINED,
    problems,
)
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(prefix="/v1", tags=["embedding"], route_class=ScopedRoute)

HostedModels = Annotated[Hosted, Depends(hosted)]
Network = Annotated[
    str | None,
    Query(description="Fingerprint of the matching network for `joint`. Default: the current one."),
]


@router.post(
    "/embed/images",
    summary="Embed images",
    responses=ROWS_RESPONSES
    | problems(
        NO_NETWORK,
        UNTRAINED,
        OTHER_NETWORK,
        BAD_IMAGES,
        BUSY,
        LOADING,
        TOO_SLOW,
        DAMAGED,
    ),
    openapi_extra=FILES_BODY,
)
@needs(Scope.READ)
@admits(IMAGES)
async def embed_images(
    request: Request,
    models: HostedModels,
    space: Annotated[
        ImageSpace,
        Query(
            description="`visual`: for image to image; `matching`: input of the matching network; "
            "`joint`: its output, comparable with joint vectors of terms."
        ),
    ] = ImageSpace.VISUAL,
    network: Network = None,
    crop: Annotated[
        list[str] | None,
        Query(
            description="The box of each file that counts, in their order: `x,y,width,height` in "
            "fractions of the upright picture, or nothing for all of it."
        ),
    ] = None,
    priority: Annotated[
        str | None,
        Header(
            description="As in RFC 9218: what is less urgent than the default, `u=4` to `u=7`, "
            "lets other calls go first."
        ),
    ] = None,
) -> Response:
    """Return one row of features for each file, in the order of the files."""
    wants_colors = COLORS_HEADER in request.headers
    crops = [Crop.read(text) if text else None for text in crop or ()]
    files = await uploads(request)
    weigh(request, len(files))
    if crops and len(crops) != len(files):
        raise InvalidInput(f"{len(crops)} crops for {len(files)} files; give one for each.")
    matcher = None
    if space is ImageSpace.JOINT:
        matcher = await asyncio.to_thread(models.networks.get, network)
    embedder = models.visual if space is ImageSpace.VISUAL else models.matching
    with span("embed", images=len(files)):
        embedding = embedder.embed(
            files, is_bulk(priority), crops, is_admitted=True, colors=wants_colors
        )
        embedded = await unless_gone(request, embedding)
    if embedded is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    metrics: EmbedderMetrics = request.app.state.embedder_metrics
    metrics.observe(embedded.stages)
    timings = {
        "decode": fmean(stages.decode for stages in embedded.stages),
        "queue": fmean(stages.queue for stages in embedded.stages),
        "inference": fmean(stages.inference for stages in embedded.stages),
    }
    if matcher is None:
        backbone = embedder.backbone
        return rows(
            request,
            embedded.vectors,
            backbone.dim,
            backbone.fingerprint,
            timings,
            embedded.notes,
            embedded.colors,
        )
    joint = await asyncio.to_thread(matcher.network.project_images, embedded.vectors)
    return rows(
        request,
        joint,
        matcher.network.joint_dim,
        matcher.fingerprint,
        timings,
        embedded.notes,
    )


@router.post(
    "/embed/terms",
    summary="Embed terms",
    responses=ROWS_RESPONSES
    | problems(NO_NETWORK, UNTRAINED, OTHER_NETWORK, UNKNOWN_TERM, LOADING, DAMAGED),
)
@needs(Scope.READ)
@admits(JSON)
async def embed_terms(request: Request, models: HostedModels, body: EmbedTermsRequest) -> Response:
    """Return one row of features for each term, in the order of the terms."""
    if body.space is TermSpace.WORD:
        vectors = await asyncio.to_thread(_word_vectors, models, body)
        return rows(request, vectors, models.words.dim, models.words.fingerprint)
    matcher = await asyncio.to_thread(models.networks.get, body.network)
    encoder = encoder_of(matcher.network, models.words, models.meanings)
    vectors = await asyncio.to_thread(encoder.embed, body.terms, body.allow_unknown)
    known = [vector for vector in vectors if vector is not None]
    stacked = np.array(known, dtype=np.float32).reshape(-1, encoder.dim)
    joint = iter(joint_terms(matcher.network, encoder, stacked))
    return rows(
        request,
        [None if vector is None else next(joint) for vector in vectors],
        matcher.network.joint_dim,
        matcher.fingerprint,
    )


def _word_vectors(models: Hosted, body: EmbedTermsRequest) -> list[NDArray[np.float32] | None]:
    """The word vectors of terms. Raises UnknownTerm; `named`: all that lack one name classes."""
    try:
        return models.words.embed(body.terms, body.allow_unknown)
    except UnknownTerm as error:
        error.extra["named"] = models.meanings is not None and models.meanings.are_named(body.terms)
        raise


@router.get(
    "/models",
    summary="List the hosted models",
    tags=["models"],
    responses=problems(NO_PROFILE, BROKEN_PROFILE, LOADING),
)
@needs(Scope.READ)
async def list_models(request: Request, models: HostedModels) -> Models:
    """Return fingerprints, architectures and dimensions, and the matching networks on disk."""
    return Models(
        visual=_described(models.visual.backbone),
        matching=_described(models.matching.backbone),
        words=Model(
            fingerprint=models.words.fingerprint,
            architecture=models.words.architecture,
            dim=models.words.dim,
        ),
        networks=await asyncio.to_thread(models.networks.fingerprints),
        joint=models.joint,
        decoding=_decoding(request.app.state.settings),
        instance=instance_of(request),
    )


def _described(backbone: Backbone) -> ImageModel:
    speed = backbone.speed
    return ImageModel(
        fingerprint=backbone.fingerprint,
        architecture=backbone.architecture,
        dim=backbone.dim,
        engine=backbone.engine,
        speed=None
        if speed is None
        else EngineSpeed(
            images_per_second=round(speed.images_per_second, 1),
            limit=round(speed.limit, 1),
            share=round(speed.share, 3),
        ),
        labels=None if backbone.head is None else backbone.head.digest,
    )


def _decoding(settings: EmbedderSettings) -> str:
    return decoders(
        settings.max_pixels,
        settings.max_image_bytes,
        settings.decode_seconds,
        settings.decoder_bytes,
    )
