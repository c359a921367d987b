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
from shared.web.admission import SEARCH, SEARCH_FILE, admits
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
        SAME, description="Smallest cosine of two images that count as duplicates."
    )
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="Number of groups on a page."
    )
    cursor: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="`next` of the previous page."
    )


class SuggestQuery(Wire):
    limit: Annotated[int, Field(ge=1, le=100)] = Field(10, description="Number of tags.")


class SuggestForm(SuggestQuery):
    """Picture to suggest tags for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"file": "castle.jpg", "limit": 5}]})

    file: UploadFile = Field(description="An image file.")


class RandomQuery(Wire):
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="Number of images.")
    seed: Seed | None = Field(
        None,
        description="Random seed; the same seed draws the same images while the collection "
        "is unchanged.",
    )


@router.get(
    "/duplicates",
    summary="List groups of near-duplicates",
    responses=problems(SEARCHES, OTHER_SNAPSHOT, DAMAGED),
)
@needs(Scope.READ)
@admits(SEARCH)
def list_duplicates(ask: Ask, query: Annotated[DuplicatesQuery, Query()]) -> DuplicateGroups:
    """Compare images within their cluster and with those just beyond its borders. A page ends after
    one cluster or two seconds, so a page may be empty and still have a next page.
    """
    searcher = ask.searcher_now()
    return exploring.duplicates(searcher, query.threshold, query.limit, query.cursor)


@router.get("/random", summary="Get random images", responses=problems(DAMAGED))
@needs(Scope.READ)
def get_random_images(ask: Ask, write: Write, query: Annotated[RandomQuery, Query()]) -> Sample:
    """Return images drawn at random; the same `seed` draws the same images while the collection is
    unchanged.
    """
    rng = np.random.default_rng(query.seed)
    searcher = ask.searcher_now()
    found = exploring.at_random(searcher, query.limit, rng)
    images = [described(item, searcher) for item in found]
    write.told(images)
    return Sample(images=images)


@router.get(
    "/images/{image_id:path}/suggest-tags",
    summary="Suggest tags for an image",
    responses=problems(SEARCHES, NO_IMAGE, NO_SUGGESTIONS, DAMAGED),
)
@needs(Scope.READ)
@admits(SEARCH)
def suggest_tags(ask: Ask, image_id: str, query: Annotated[SuggestQuery, Query()]) -> SuggestedTags:
    """Suggest tags by a vote of the image's neighbours, each with its probability to match."""
    return exploring.suggestions(ask.searcher_now(), image_id, query.limit)


@router.post(
    "/suggest-tags",
    summary="Suggest tags for an uploaded picture",
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
@admits(SEARCH_FILE)
async def suggest_tags_for_upload(
    ask: Ask,
    request: Request,
    form: Annotated[SuggestForm, Form(media_type="multipart/form-data")],
) -> SuggestedTags:
    """Suggest tags by a vote of the picture's neighbours. If the picture is already indexed, its
    own tags are ignored.
    """
    check_size(request, form.file.size or 0)
    return await ask.suggestions(await form.file.read(), form.limit)
