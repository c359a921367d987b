"""Explanations of similarities: heat maps as numbers and as pictures."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response, UploadFile
from pydantic import ConfigDict, Field

from services.query.answering.reasons import ReasonOf, Reasons
from services.query.api.search import check_size
from shared.contracts.base import Wire
from shared.contracts.explanation import Why
from shared.web.admission import SEARCH, SEARCH_FILE, admits
from shared.web.conditional import etag_of
from shared.web.keys import Scope
from shared.web.media import FENCED, MANNERS, PNG, validators
from shared.web.problems import (
    BAD_IMAGE,
    BUSY,
    DAMAGED,
    DRIFTED,
    FILE_TOO_LARGE,
    NO_CELLS,
    NO_EMBEDDER,
    NO_IMAGE,
    NO_INDEXER,
    OTHER_MODEL,
    OUTSIDE_RANGE,
    UNKNOWN_TERM,
    problems,
)
from shared.web.scoped import ScopedRoute, needs

_PROBLEMS = problems(
    NO_IMAGE,
    BAD_IMAGE,
    UNKNOWN_TERM,
    OTHER_MODEL,
    DRIFTED,
    NO_CELLS,
    BUSY,
    NO_EMBEDDER,
    NO_INDEXER,
    DAMAGED,
)

_OF_UPLOADS = problems(FILE_TOO_LARGE)

router = APIRouter(prefix="/v1", tags=["explaining"], responses=_PROBLEMS, route_class=ScopedRoute)


def reasons(request: Request) -> Reasons:
    found: Reasons = request.app.state.reasons
    return found


Here = Annotated[Reasons, Depends(reasons)]
To = Annotated[str | None, Query(description="Id of the image to compare with.")]
Term = Annotated[
    str | None,
    Query(min_length=1, max_length=200, description="Term to compare with, instead of `to`."),
]


class WhyForm(Wire):
    """A picture, and the image that it is like."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"file": "castle.jpg", "to": "d0ed203b"}]}
    )

    file: UploadFile = Field(description="An image file.")
    to: str = Field(min_length=1, description="Id of the image to compare with.")


WhyUpload = Annotated[WhyForm, Form(media_type="multipart/form-data")]


@router.get(
    "/images/{image_id:path}/why",
    summary="Explain why an image is similar to another image or matches a term",
)
@needs(Scope.READ)
@admits(SEARCH)
async def explain_match(here: Here, image_id: str, to: To = None, term: Term = None) -> Why:
    """Return a heat map of the image whose cells sum to the cosine of the features as the index
    compares them.
    """
    return await here.why(lambda: here.for_subject(image_id, to, term))


@router.get(
    "/images/{image_id:path}/why.png",
    summary="Draw the explanation over the image, as a PNG",
    response_class=Response,
    responses=PNG | MANNERS | problems(OUTSIDE_RANGE),
)
@needs(Scope.READ)
@admits(SEARCH)
async def draw_match(here: Here, image_id: str, to: To = None, term: Term = None) -> Response:
    """Red cells add to the similarity, blue cells reduce it; the parts that the network didn't see
    are dark.
    """
    return await _drawn(here, lambda: here.for_subject(image_id, to, term))


@router.post(
    "/why", summary="Explain why an uploaded picture is similar to an image", responses=_OF_UPLOADS
)
@needs(Scope.READ)
@admits(SEARCH_FILE)
async def explain_upload(here: Here, request: Request, form: WhyUpload) -> Why:
    """Return a heat map of the picture whose cells sum to the cosine of the features as the index
    compares them.
    """
    return await here.why(await _of_upload(here, request, form))


@router.post(
    "/why.png",
    summary="Draw the explanation over the uploaded picture, as a PNG",
    response_class=Response,
    responses=PNG | _OF_UPLOADS,
)
@needs(Scope.READ)
@admits(SEARCH_FILE)
async def draw_upload(here: Here, request: Request, form: WhyUpload) -> Response:
    """Red cells add to the similarity, blue cells reduce it; the parts that the network didn't see
    are dark.
    """
    return await _drawn(here, await _of_upload(here, request, form))


async def _of_upload(here: Reasons, request: Request, form: WhyForm) -> ReasonOf:
    check_size(request, form.file.size or 0)
    data = await form.file.read()
    return lambda: here.of_upload(data, form.to)


async def _drawn(here: Reasons, reason_of: ReasonOf) -> Response:
    drawn = await here.overlay(reason_of)
    return Response(drawn, media_type="image/png", headers=FENCED | validators(etag_of(drawn)))
