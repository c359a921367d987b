"""Training of the matching network, and projection through it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.embedder.api.answers import RAW_BODY, ROWS_RESPONSES, hosted, rows
from services.embedder.hosting.host import Hosted
from services.embedder.matching.joint import JointSpace
from services.embedder.matching.trainer import Trainer
from services.embedder.matching.training_set import TrainingSet
from shared.contracts.embedder import (
    EVENTS_MEDIA_TYPE,
    FINGERPRINT_HEADER,
    RAW_MEDIA_TYPE,
    TrainingFailed,
    TrainingProgress,
    TrainingSettings,
    TrainRequest,
)
from shared.core import problem
from shared.core.errors import BadVector, FingerprintMismatch, ISEError
from shared.web.admission import JSON, ROWS, admits
from shared.web.keys import Scope
from shared.web.problems import (
    BAD_ROWS,
    DAMAGED,
    LOADING,
    NO_NETWORK,
    NO_TRAINING_SET,
    OTHER_FEATURES,
    OTHER_NETWORK,
    TRAINING,
    UNTRAINED,
    problems,
)
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(prefix="/v1/matching", tags=["matching"], route_class=ScopedRoute)
log = logging.getLogger(__name__)

HostedModels = Annotated[Hosted, Depends(hosted)]

_EVENTS_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Lines of JSON, each a TrainingEvent: `progress` at least every few "
        "seconds, then `trained` with the network, or `failed` with a problem.",
        "content": {
            EVENTS_MEDIA_TYPE: {
                "schema": {"type": "string"},
                "example": TrainingProgress(epoch=12, epochs=40, loss=2.31).model_dump_json()
                + "\n",
            }
        },
    }
}


@router.post(
    "/project",
    summary="Project stored features into the joint space",
    responses=ROWS_RESPONSES
    | problems(
        NO_NETWORK,
        UNTRAINED,
        OTHER_NETWORK,
        OTHER_FEATURES,
        BAD_ROWS,
        LOADING,
        DAMAGED,
    ),
    openapi_extra={"requestBody": {"required": True, "content": {RAW_MEDIA_TYPE: RAW_BODY}}},
)
@needs(Scope.READ)
@admits(ROWS)
async def project(
    request: Request,
    models: HostedModels,
    network: Annotated[
        str | None, Query(description="Fingerprint of the network. Default: the current one.")
    ] = None,
    fingerprint: Annotated[
        str | None,
        Header(
            alias=FINGERPRINT_HEADER,
            description="Fingerprint of the model of the features; a mismatch is refused.",
        ),
    ] = None,
) -> Response:
    """Send rows of features of the matching backbone as raw little-endian float32."""
    hosted_fingerprint = models.matching.backbone.fingerprint
    if fingerprint is not None and fingerprint != hosted_fingerprint:
        raise FingerprintMismatch(
            f"The features are of {fingerprint}; hosted for matching is {hosted_fingerprint}. "
            "Host that model again, or compute the features again: `ise ingest`.",
            features=fingerprint,
            hosted=hosted_fingerprint,
        )
    matcher = await asyncio.to_thread(models.networks.get, network)
    joint = await asyncio.to_thread(_project, matcher, await request.body())
    return rows(request, joint, matcher.network.joint_dim, matcher.fingerprint)


@router.post(
    "/train",
    summary="Train the matching network",
    response_class=StreamingResponse,
    responses=_EVENTS_RESPONSES
    | problems(NO_TRAINING_SET, OTHER_FEATURES, TRAINING, LOADING, DAMAGED),
)
@needs(Scope.WRITE)
@admits(JSON)
async def train(models: HostedModels, body: TrainRequest) -> StreamingResponse:
    """Train on `training/<training_set>/` of the data volume. Closing the connection stops the
    training.
    """
    trainer = models.training()
    training_set = await trainer.open(body.training_set)
    return StreamingResponse(
        _lines(trainer, training_set, body.settings), media_type=EVENTS_MEDIA_TYPE
    )


async def _lines(
    trainer: Trainer, training_set: TrainingSet, settings: TrainingSettings
) -> AsyncIterator[bytes]:
    # Close the stream even if the client disconnects halfway, which cancels the training.
    async with aclosing(trainer.events(training_set, settings)) as events:
        try:
            async for event in events:
                # An empty line says that the training is alive.
                yield (b"" if event is None else event.model_dump_json().encode()) + b"\n"
        except ISEError as error:
            yield _failed(error)
        except Exception as error:
            log.exception("a training failed")
            yield _failed(ISEError(f"The training failed ({type(error).__name__}: {error})."))


def _failed(error: ISEError) -> bytes:
    return TrainingFailed(problem=problem.body_of(error)).model_dump_json().encode() + b"\n"


def _project(matcher: JointSpace, body: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    dim = matcher.network.image_dim
    if len(body) % (4 * dim):
        raise BadVector(
            f"{len(body)} bytes are no whole number of rows of {dim} float32 values "
            f"({4 * dim} bytes each)."
        )
    features = np.frombuffer(body, dtype="<f4").reshape(-1, dim).astype(np.float32, copy=False)
    if not np.isfinite(features).all():
        raise BadVector("Some of the features are NaN or infinite.")
    return matcher.network.project_images(features)
