"""Looking around in the collection."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Form, Query, Request, UploadFile
from pydantic import ConfigDict, Field

from services.query.api.images import described
from services.query.api.search import Ask, Write, check_size
from services.query.search import exploring
from services.query.search.duplicates import SAME
from shared.contracts.base import Seed, Wire
from shared.contracts.explore import DuplicateGroups, Sample, SuggestedTags
from shared.web.keys import Scope
from shared.web.problems import (
    BAD_IMAGE,
    BUSY,
    DAMAGED,
    DRIFTED,
    FILE_TOO_LARGE,
    NO_EMBEDDER,
    NO_IMAGE,
    NO_SUGGESTIONS,
    OTHER_MODEL,
    OTHER_SNAPSHOT,
    SEARCHES,
    VECTORS_ONLY,
    problems,
)
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(prefix="/v1", tags=["collection"], route_class=ScopedRoute)


class DuplicatesQuery(Wire):
    """Parameters of a search for near-duplicates."""

    threshold: Annotated[float, Field(gt=0.5, le=1)] = Field(
        SAME, description="The least cosine of two images that show the same."
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(100, description="Groups on a page.")
    cursor: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="The `next` of the page before."
    )


class SuggestQuery(Wire):
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class SuggestForm(SuggestQuery):
    """A picture that wants tags."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"file": "castle.jpg", "limit": 5}]})

    file: UploadFile = Field(description="An image file.")


class RandomQuery(Wire):
    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    seed: Seed | None = Field(None, description="The same images again, while none comes or goes.")


@router.get(
    "/duplicates",
    summary="Groups of near-duplicates",
    responses=problems(SEARCHES, OTHER_SNAPSHOT, DAMAGED),
)
@needs(Scope.READ)
def duplicates(ask: Ask, query: Annotated[DuplicatesQuery, Query()]) -> DuplicateGroups:
    """Images are compared within their cluster, and with those beyond its borders. A page may have
    no group and a next page: it ends after two seconds at the latest, or with one cluster."""
    searcher = ask.searcher_now()
    return exploring.duplicates(searcher, query.threshold, query.limit, query.cursor)


@router.get("/random", summary="Images at random", responses=problems(DAMAGED))
@needs(Scope.READ)
def random_images(ask: Ask, write: Write, query: Annotated[RandomQuery, Query()]) -> Sample:
    rng = np.random.default_rng(query.seed)
    found = exploring.at_random(ask.searcher_now(), query.limit, rng)
    images = [described(item) for item in found]
    write.told(images)
    return Sample(images=images)


@router.get(
    "/images/{image_id:path}/suggest-tags",
    summary="Tags that may fit an image",
    responses=problems(SEARCHES, NO_IMAGE, NO_SUGGESTIONS, DAMAGED),
)
@needs(Scope.READ)
def suggest_tags(ask: Ask, image_id: str, query: Annotated[SuggestQuery, Query()]) -> SuggestedTags:
    """Suggest tags by a vote of the image's neighbours, each with its probability to match."""
    return exploring.suggestions(ask.searcher_now(), image_id, query.limit)


@router.post(
    "/suggest-tags",
    summary="Tags that may fit an uploaded picture",
    responses=problems(
        BAD_IMAGE,
        OTHER_MODEL,
        DRIFTED,
        VECTORS_ONLY,
        NO_SUGGESTIONS,
        FILE_TOO_LARGE,
        BUSY,
        NO_EMBEDDER,
        DAMAGED,
    ),
)
@needs(Scope.READ)
async def suggest_tags_for_upload(
    ask: Ask,
    request: Request,
    form: Annotated[SuggestForm, Form(media_type="multipart/form-data")],
) -> SuggestedTags:
    """The same. Where the picture is an indexed image, its own tags are left out."""
    check_size(request, form.file.size or 0)
    return await ask.suggestions(await form.file.read(), form.limit)
