"""All pictures to look through, and their files as an archive."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.query.api.images import described
from services.query.api.search import Ask, Write
from services.query.search import browsing
from shared.contracts.browsing import (
    Day,
    Folders,
    FoldersQuery,
    Images,
    ImagesQuery,
    Timeline,
    TimelineQuery,
)
from shared.core.errors import InvalidInput
from shared.web import links
from shared.web.keys import Scope
from shared.web.problems import DAMAGED, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(prefix="/v1", tags=["collection"], route_class=ScopedRoute)


@router.get(
    "/images",
    summary="List all images",
    responses=links.to("image_id", "/images/0/id", "get_image", "get_thumbnail")
    | problems(DAMAGED),
)
@needs(Scope.READ)
def list_images(ask: Ask, write: Write, query: Annotated[ImagesQuery, Query()]) -> Images:
    """Return all images in an order, by default the last added first. A page goes on where the one
    before ended, whatever was added or deleted meanwhile.
    """
    if query.cursor is not None and query.start is not None:
        raise InvalidInput("Give either `cursor` or `from`, not both.")
    searcher = ask.searcher_now()
    page = browsing.page_of(
        searcher,
        query.sort,
        query.filter,
        query.limit,
        query.cursor,
        query.start,
        query.offset,
    )
    images = [described(item, searcher) for item in page.items]
    write.told(images)
    return Images(images=images, total=page.total, next=page.next, unknown_keys=page.unknown_keys)


@router.get("/images/timeline", summary="Count the images of each day", responses=problems(DAMAGED))
@needs(Scope.READ)
def get_timeline(ask: Ask, query: Annotated[TimelineQuery, Query()]) -> Timeline:
    """Return the number of images of each day, in the order of `GET /v1/images` with the same
    `sort` and `filter`: so a page knows the place of every picture, and `from` leads there.
    """
    view = browsing.view_of(ask.searcher_now(), query.sort, query.filter)
    if query.sort.field == "name":
        raise InvalidInput(
            "`sort`: names have no days; use `-taken`, `taken`, `-added` or `added`."
        )
    days, undated = view.days
    return Timeline(
        days=[Day(day=day, count=count) for day, count in days],
        undated=undated,
        total=len(view),
    )


@router.get("/folders", summary="List the folders of the collection", responses=problems(DAMAGED))
@needs(Scope.READ)
def list_folders(ask: Ask, query: Annotated[FoldersQuery, Query()]) -> Folders:
    """Return the folders right below `path`, each with its number of images and a cover. The images
    of one: `GET /v1/images` with the filter `{"must": [{"key": "file.folder", "match": PATH}]}`.
    """
    searcher = ask.searcher_now()
    path = query.path.strip("/")
    return Folders(path=path, folders=searcher.collection.folders(path, searcher.deleted))
