"""Indexed images by id; their bytes come from the indexer."""

import httpx
from fastapi import APIRouter, Request, Response

from services.query.api.search import Ask, Write
from services.query.search.searcher import Searcher
from shared.clients import indexer
from shared.clients.transport import AsyncClient, Call
from shared.contracts.facts import facts_of
from shared.contracts.indexer import Shapes, ShapesRequest
from shared.contracts.query import FileAccess, ImageInfo
from shared.core.budget import charge
from shared.core.errors import NotFound
from shared.snapshots.items import Item
from shared.web.admission import JSON, QUICK, admits
from shared.web.callers import caller_of, naming_caller
from shared.web.conditional import IS_HEAD
from shared.web.file_cookie import SECONDS, set_cookie
from shared.web.keys import Scope
from shared.web.media import FENCED, IMAGE, JPEG, FileUri, forwarded
from shared.web.passed_on import PassedOn
from shared.web.places import Places
from shared.web.problems import (
    BAD_IMAGE,
    DAMAGED,
    DISK_FULL,
    FILES,
    NO_IMAGE,
    NO_INDEXER,
    OUTSIDE_RANGE,
    problems,
)
from shared.web.scoped import ScopedRoute, needs

_BY_COOKIE = {"Vary": "Authorization, Cookie"}
_CONDITIONS = ("If-None-Match", "If-Modified-Since", "Range", "If-Range")

router = APIRouter(prefix="/v1/images", tags=["images"], route_class=ScopedRoute)


@router.get(
    "/{image_id:path}/file",
    summary="Get the original file of an image",
    response_class=Response,
    responses=IMAGE | problems(NO_IMAGE, OUTSIDE_RANGE, FILES, NO_INDEXER),
)
@needs(Scope.READ)
async def get_image_file(request: Request, image_id: str, uri: FileUri = None) -> Response:
    """Return the unchanged file. Range and conditional requests are supported. Of a RAW and its
    JPEG, which are one image, the JPEG, unless `uri` names the other.
    """
    client: AsyncClient = request.app.state.sending
    places: Places = request.app.state.files
    place = places.enter(client=caller_of(request.scope).name)
    try:
        found = await client.open(_asked(request, image_id, "file", uri))
    except BaseException:
        place.leave()
        raise
    return PassedOn(found, FENCED | _BY_COOKIE | forwarded(found.headers), place.leave)


@router.post(
    "/{image_id:path}/file/access",
    summary="Let a browser's player read the file of an image",
)
@needs(Scope.READ)
@admits(QUICK)
async def allow_image_file(request: Request, response: Response, image_id: str) -> FileAccess:
    """Set a cookie with which the browser may read this one file for some minutes, as players and
    links can't send a key. Call it again before it expires.
    """
    set_cookie(request, response, request.app.state.keys)
    response.headers["Cache-Control"] = "no-store"
    return FileAccess(seconds=SECONDS)


@router.get(
    "/{image_id:path}/thumbnail",
    summary="Get a thumbnail of an image",
    response_class=Response,
    responses=JPEG | problems(NO_IMAGE, OUTSIDE_RANGE, BAD_IMAGE, NO_INDEXER, DISK_FULL),
)
@needs(Scope.READ)
async def get_thumbnail(request: Request, image_id: str) -> Response:
    """Return a small JPEG of the upright image."""
    client: AsyncClient = request.app.state.indexer
    found = await client.send(_asked(request, image_id, "thumbnail"))
    # A slow reader keeps it in memory.
    charge(len(found.content))
    headers = FENCED | forwarded(found.headers)
    return Response(found.content, found.status_code, headers, found.headers.get("Content-Type"))


@router.post("/shapes", summary="Get the aspect ratios of images", responses=problems(NO_INDEXER))
@needs(Scope.READ)
@admits(JSON)
async def get_image_shapes(request: Request, asked: ShapesRequest) -> Shapes:
    """Return width divided by height of each image, so that a page can reserve space for it."""
    client: AsyncClient = request.app.state.indexer
    return await client.send(indexer.get_image_shapes(asked))


# Registered last, because an id may contain slashes.
@router.get(
    "/{image_id:path}",
    summary="Get an image's record",
    responses=problems(NO_IMAGE, DAMAGED),
)
@needs(Scope.READ)
async def get_image(ask: Ask, write: Write, image_id: str) -> ImageInfo:
    """Return the tags, paths and metadata of an image."""
    searcher = await ask.searcher()
    item = searcher.find(image_id)
    if item is None:
        raise NotFound(f"There is no image {image_id!r}.")
    image = described(item, searcher)
    write.told([image])
    return image


def described(item: Item, searcher: Searcher) -> ImageInfo:
    """An image as an answer tells of it."""
    return ImageInfo(
        id=item.id,
        tags=item.tags,
        uri=item.uris[0] if item.uris else "",
        uris=item.uris,
        metadata=item.metadata,
        labels=searcher.collection.labels.of(item.ordinal),
        text=searcher.collection.texts.of(item.ordinal),
        added_at=item.added_at,
        file=facts_of(item.file),
        notes=item.notes or None,
    )


def _asked(
    request: Request, image_id: str, kind: str, uri: str | None = None
) -> Call[httpx.Response]:
    """Return the call of the indexer that asks for no more than the client does."""
    method = "HEAD" if request.scope.get(IS_HEAD) else "GET"
    given = {name: request.headers[name] for name in _CONDITIONS if name in request.headers}
    # The bytes are passed on as they come.
    given["Accept-Encoding"] = "identity"
    given |= naming_caller(request.scope)
    return indexer.get_picture(image_id, kind, method, given, uri)
