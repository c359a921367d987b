"""All pictures to look through, and their files as an archive."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.query.api.images import described
from services.query.api.search import Ask, Write
from services.query.search import browsing
from services.query.search.facets import facets_of
from services.query.search.map_cells import cells_of
from services.query.search.order import View
from shared.contracts.base import Wire
from shared.contracts.browsing import (
    Day,
    Facets,
    FacetsQuery,
    Folders,
    FoldersQuery,
    Images,
    ImagesQuery,
    MapCells,
    MapQuery,
    Period,
    Places,
    PlacesQuery,
    Sort,
    Timeline,
    TimelineQuery,
)
from shared.core.errors import InvalidInput
from shared.web import links
from shared.web.keys import Scope
from shared.web.problems import DAMAGED, UNLABELLED, problems
from shared.web.scoped import ScopedRoute, needs

_WRITTEN = 32

router = APIRouter(prefix="/v1", tags=["collection"], route_class=ScopedRoute)


@router.get(
    "/images",
    summary="List all images",
    responses=links.to("image_id", "/images/0/id", "get_image", "get_thumbnail")
    | problems(UNLABELLED, DAMAGED),
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


@router.get(
    "/images/timeline",
    summary="Count the images of each day",
    response_model=Timeline,
    responses=problems(UNLABELLED, DAMAGED),
)
@needs(Scope.READ)
def get_timeline(ask: Ask, query: Annotated[TimelineQuery, Query()]) -> Response:
    """Return the number of images of each day or month, in the order of `GET /v1/images` with the
    same `sort` and `filter`: so a page knows the place of every picture, and `from` leads there.
    """
    view = browsing.view_of(ask.searcher_now(), query.sort, query.filter)
    if query.sort.field == "name":
        raise InvalidInput(
            "`sort`: names have no days; use `-taken`, `taken`, `-added` or `added`."
        )
    text = view.written.get(query.by)
    if text is None:
        days, undated = view.days
        counts = days if query.by is Period.DAY else view.months()
        found = [Day(day=day, count=count) for day, count in counts]
        text = Timeline(days=found, undated=undated, total=len(view)).model_dump_json()
        view.written[query.by] = text
    return Response(text, media_type="application/json")


@router.get(
    "/images/facets",
    summary="Count the facts of images",
    response_model=Facets,
    responses=problems(UNLABELLED, DAMAGED),
)
@needs(Scope.READ)
def get_facets(ask: Ask, query: Annotated[FacetsQuery, Query()]) -> Response:
    """Return the years, cameras, lenses, places, tags and labels of all images that a filter lets
    through, the most frequent first, each with its number of images.
    """
    searcher = ask.searcher_now()
    view = browsing.view_of(searcher, Sort.NEWEST_TAKEN, query.filter)
    return _kept(
        view, f"facets {query.limit}", lambda: facets_of(searcher.collection, view, query.limit)
    )


@router.get(
    "/images/map",
    summary="Count images by place",
    response_model=MapCells,
    responses=problems(UNLABELLED, DAMAGED),
)
@needs(Scope.READ)
def get_map(ask: Ask, query: Annotated[MapQuery, Query()]) -> Response:
    """Return the places of all images that a filter lets through, joined by cells of a grid, each
    with its number of images, its bounds and a cover.
    """
    searcher = ask.searcher_now()
    view = browsing.view_of(searcher, Sort.NEWEST_TAKEN, query.filter)
    return _kept(
        view,
        f"map {query.cell} {query.limit}",
        lambda: cells_of(searcher.collection, view, query.cell, query.limit),
    )


@router.get("/places", summary="List the places of images", responses=problems(DAMAGED))
@needs(Scope.READ)
def list_places(ask: Ask, query: Annotated[PlacesQuery, Query()]) -> Places:
    """Return the towns and countries where images were taken, those with the most images first: for
    completion by `match`, or to learn by `name` that a search term is the name of one.
    """
    searcher = ask.searcher_now()
    names = searcher.collection.places(searcher.deleted)
    if query.name is None:
        return Places(places=names.starting(query.match, query.limit))
    if query.match:
        raise InvalidInput("Give either `match` or `name`, not both.")
    return Places(places=names.called(query.name)[: query.limit])


def _kept(view: View, name: str, make: Callable[[], Wire]) -> Response:
    """Answer from what was written of a view before, else write it."""
    text = view.written.get(name)
    if text is None:
        text = make().model_dump_json()
        # Anyone may ask for cells of any size.
        if len(view.written) >= _WRITTEN:
            view.written.clear()
        view.written[name] = text
    return Response(text, media_type="application/json")


@router.get("/folders", summary="List the folders of the collection", responses=problems(DAMAGED))
@needs(Scope.READ)
def list_folders(ask: Ask, query: Annotated[FoldersQuery, Query()]) -> Folders:
    """Return the folders right below `path`, each with its number of images and a cover. The images
    of one: `GET /v1/images` with the filter `{"must": [{"key": "file.folder", "match": PATH}]}`.
    """
    searcher = ask.searcher_now()
    path = query.path.strip("/")
    return Folders(path=path, folders=searcher.collection.folders(path, searcher.deleted))
