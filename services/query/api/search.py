"""Searching by picture, tag term, id and vector."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response, UploadFile
from pydantic import ConfigDict, Field, Json, WithJsonSchema

from services.query.answering.service import SearchService
from services.query.api.writing import AnswerWriter
from shared.contracts.answer import SearchResponse
from shared.contracts.base import trusted
from shared.contracts.batch import BatchRequest, BatchResponse
from shared.contracts.filters import Filter
from shared.contracts.query import SearchOptions, SearchRequest
from shared.core.errors import InvalidInput, TooLarge
from shared.web import links
from shared.web.admission import BATCH, SEARCH, SEARCH_FILE, SEARCH_JSON, admits, weigh
from shared.web.conditional import etag_of
from shared.web.keys import Scope
from shared.web.problems import (
    BAD_IMAGE,
    BAD_VECTOR,
    BEHIND,
    BUSY,
    DAMAGED,
    DRIFTED,
    FETCHING_OFF,
    FILE_TOO_LARGE,
    NO_EMBEDDER,
    NO_IMAGE,
    NO_JOINT_SPACE,
    NO_UPLOAD,
    OTHER_MODEL,
    SEARCHES,
    TOO_MANY_SEARCHES,
    UNCALIBRATED,
    UNKNOWN_TERM,
    VECTORS_ONLY,
    problems,
)
from shared.web.scoped import ScopedRoute, needs, operation_name, receives

router = APIRouter(
    prefix="/v1",
    tags=["search"],
    route_class=ScopedRoute,
    responses=problems(SEARCHES, BEHIND),
    generate_unique_id_function=operation_name,
)

_TIMINGS = '"timings_ms":'


async def asking(request: Request) -> SearchService:
    """Async, because FastAPI would run it in a thread otherwise."""
    found: SearchService = request.app.state.asking
    return found


Ask = Annotated[SearchService, Depends(asking)]


async def writing(request: Request) -> AnswerWriter:
    found: AnswerWriter = request.app.state.writer
    return found


Write = Annotated[AnswerWriter, Depends(writing)]


class TextOptions(SearchOptions):
    """The same where all fields are texts: in a form, and in a URL."""

    model_config = ConfigDict(strict=False)

    # A plain string in the schema, because the docs page shows a JSON document as a file upload.
    filter: Annotated[Json[Filter] | None, WithJsonSchema({"type": "string"})] = Field(
        None, description="Filter as in `POST /v1/search`, as JSON text."
    )


class ImageForm(TextOptions):
    """A picture to search by, and how."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"file": "castle.jpg", "limit": 5}]})

    file: UploadFile = Field(description="An image file.")


class TermQuery(TextOptions):
    """A tag term to search by, and how."""

    term: str = Field(min_length=1, max_length=200, description="A tag or a word.")


@router.post(
    "/search/image",
    summary="Search by an uploaded picture",
    response_model=SearchResponse,
    responses=problems(
        BAD_IMAGE,
        OTHER_MODEL,
        DRIFTED,
        VECTORS_ONLY,
        UNCALIBRATED,
        FILE_TOO_LARGE,
        BUSY,
        NO_EMBEDDER,
        DAMAGED,
    ),
)
@needs(Scope.READ)
@admits(SEARCH_FILE)
async def search_by_image(
    ask: Ask,
    write: Write,
    request: Request,
    form: Annotated[ImageForm, Form(media_type="multipart/form-data")],
) -> Response:
    """Return the images most similar to the picture, with scores, expected recall and timings."""
    check_size(request, form.file.size or 0)
    return _json(await write.answer(await ask.image(form.file.read, form)))


@router.get(
    "/search",
    summary="Search by a term",
    response_model=SearchResponse,
    responses=links.to(
        "image_id", "/hits/0/id", "get_image", "find_similar_images", "explain_match"
    )
    | problems(UNKNOWN_TERM, OTHER_MODEL, UNCALIBRATED, NO_EMBEDDER, DAMAGED),
)
@needs(Scope.READ)
@admits(SEARCH)
async def search_by_term(request: Request, query: Annotated[TermQuery, Query()]) -> Response:
    """Return the images with this tag; for a term that is no tag, the images that match it by
    meaning.
    """
    if not query.term.strip():
        raise InvalidInput("`term` is blank.")
    state = request.app.state
    return _json(await state.writer.answer(await state.asking.term(query.term, query)))


@router.post(
    "/search",
    summary="Search by pictures, terms, ids or vectors",
    response_model=SearchResponse,
    responses=problems(
        FETCHING_OFF,
        NO_JOINT_SPACE,
        NO_IMAGE,
        NO_UPLOAD,
        BAD_IMAGE,
        UNKNOWN_TERM,
        BAD_VECTOR,
        OTHER_MODEL,
        DRIFTED,
        VECTORS_ONLY,
        UNCALIBRATED,
        FILE_TOO_LARGE,
        BUSY,
        NO_EMBEDDER,
        DAMAGED,
    ),
)
@needs(Scope.READ)
@admits(SEARCH_JSON)
@receives(SearchRequest)
async def search_images(request: Request, body: SearchRequest) -> Response:
    """Search by one subject, or by several weighted `parts` together. Returns hits with scores,
    expected recall and timings.
    """
    state = request.app.state
    return _json(await state.writer.answer(await state.asking.request(body)))


@router.post(
    "/search/batch",
    summary="Answer many searches in one call",
    response_model=BatchResponse,
    responses=problems(TOO_MANY_SEARCHES, DAMAGED),
)
@needs(Scope.READ)
@admits(BATCH)
@receives(BatchRequest)
async def search_batch(request: Request, body: BatchRequest) -> Response:
    """Answer each search as if it were sent alone; a search that fails has a `problem` instead of
    an `answer`.
    """
    weigh(request, len(body.searches))
    state = request.app.state
    limit: int = state.settings.max_searches
    if len(body.searches) > limit:
        raise TooLarge(f"At most {limit} searches a call (ISE_MAX_SEARCHES).")
    answers = await state.asking.batch(body.searches)
    return _json(await state.writer.answers(trusted(BatchResponse, {"answers": answers})))


@router.get(
    "/images/{image_id:path}/similar",
    summary="Find images similar to an indexed image",
    response_model=SearchResponse,
    responses=problems(NO_IMAGE, UNCALIBRATED, DAMAGED)
    | {304: {"description": "Unchanged since the `ETag` in `If-None-Match`."}},
)
@needs(Scope.READ)
@admits(SEARCH)
async def find_similar_images(
    request: Request, image_id: str, options: Annotated[TextOptions, Query()]
) -> Response:
    """Search by an indexed image and leave the image itself out of the answer."""
    state = request.app.state
    text = await state.writer.answer(await state.asking.similar(image_id, options))
    response = _json(text)
    # Weak, as equal answers differ in their timings, which come last.
    response.headers["ETag"] = f"W/{etag_of(text.rpartition(_TIMINGS)[0].encode())}"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return response


def _json(text: str) -> Response:
    """An answer as it is: it was checked when it was made, so FastAPI need not do so again."""
    return Response(text, media_type="application/json")


def check_size(request: Request, size: int) -> None:
    limit: int = request.app.state.settings.max_image_bytes
    if size > limit:
        raise TooLarge(f"The file is over the limit of {limit / 2**20:g} MiB.")
