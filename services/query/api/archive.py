"""The original files of many pictures, as one zip."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated

import anyio.to_thread
import httpx
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from services.query.answering.archive import Archives, archive_of, names_of
from services.query.api.search import Ask
from services.query.search import browsing
from services.query.search.hits import item_of
from services.query.search.searcher import Searcher
from shared.clients import indexer
from shared.clients.transport import AsyncClient
from shared.contracts.base import Wire
from shared.contracts.browsing import FilterText, Sort
from shared.contracts.curation import MOST_ARCHIVED, ArchiveRequest, Id
from shared.contracts.filters import Filter
from shared.core.errors import InvalidInput, NotFound
from shared.snapshots.items import Item
from shared.web.admission import ARCHIVE, admits
from shared.web.callers import naming_caller
from shared.web.keys import Scope
from shared.web.media import ZIP
from shared.web.problems import ARCHIVES, DAMAGED, NO_IMAGE, UNLABELLED, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(prefix="/v1", tags=["images"], route_class=ScopedRoute)


class ArchiveQuery(Wire):
    """Images whose files are wanted."""

    id: Annotated[list[Id], Field(max_length=1000)] = Field(
        default_factory=list, description="Id of an image; once for each."
    )
    filter: FilterText = Field(
        None, description="Instead of ids: all images that meet it, as JSON text."
    )
    but: Annotated[list[Id], Field(max_length=1000)] = Field(
        default_factory=list, description="With `filter`: id of an image to leave out; repeatable."
    )


@router.get(
    "/archive",
    summary="Download pictures as a zip",
    response_class=Response,
    responses=ZIP | problems(NO_IMAGE, UNLABELLED, ARCHIVES, DAMAGED),
)
@needs(Scope.READ)
@admits(ARCHIVE)
async def get_archive(
    ask: Ask, request: Request, query: Annotated[ArchiveQuery, Query()]
) -> Response:
    """Return a zip of the unchanged files. A file that can't be read is named in `missing.txt`."""
    if bool(query.id) == (query.filter is not None):
        raise InvalidInput("Give either `id`, once for each image, or `filter`.")
    return await _streamed(request, await ask.searcher(), query.id, query.filter, query.but)


@router.post(
    "/archive",
    summary="Download many pictures as a zip",
    response_class=Response,
    responses=ZIP | problems(NO_IMAGE, UNLABELLED, ARCHIVES, DAMAGED),
)
@needs(Scope.READ)
@admits(ARCHIVE)
async def download_images(ask: Ask, request: Request, body: ArchiveRequest) -> Response:
    """Return a zip of the unchanged files. A file that can't be read is named in `missing.txt`."""
    searcher = await ask.searcher()
    return await _streamed(request, searcher, body.ids or [], body.filter, body.but)


class _Fetched:
    """A file that the indexer sends."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.size = int(response.headers.get("Content-Length", "0"))

    def pieces(self) -> AsyncIterator[bytes]:
        return self._response.aiter_raw()

    async def aclose(self) -> None:
        await self._response.aclose()


class _ArchiveResponse(StreamingResponse):
    """Stream that holds a place among the archives until it ends, or its client leaves."""

    media_type = "application/zip"

    def __init__(
        self, parts: AsyncGenerator[bytes], places: Archives, headers: Mapping[str, str]
    ) -> None:
        """`places`: one of them is taken already."""
        self._parts = parts
        self._places = places
        super().__init__(parts, headers=headers)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        try:
            # The file that is being sent is closed with it.
            async with aclosing(self._parts):
                await super().__call__(scope, receive, send)
        finally:
            self._places.release()


async def _streamed(
    request: Request, searcher: Searcher, ids: list[str], wanted: Filter | None, but: list[str]
) -> Response:
    client: AsyncClient = request.app.state.sending
    places: Archives = request.app.state.archives
    places.take()
    try:
        found, names = await anyio.to_thread.run_sync(_named, searcher, ids, wanted, but)
    except BaseException:
        places.release()
        raise

    async def fetch(image_id: str) -> _Fetched:
        given = {"Accept-Encoding": "identity"} | naming_caller(request.scope)
        asked = indexer.get_picture(image_id, "file", headers=given)
        return _Fetched(await client.open(asked))

    headers = {
        "Content-Disposition": 'attachment; filename="pictures.zip"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return _ArchiveResponse(archive_of(found, names, fetch), places, headers)


def _named(
    searcher: Searcher, ids: list[str], wanted: Filter | None, but: list[str]
) -> tuple[list[Item], list[str]]:
    """Return the images of some ids, or those that meet a filter, and a file name for each.

    Raises NotFound, and InvalidInput where there are too many.
    """
    if wanted is None:
        found = [item for image_id in dict.fromkeys(ids) if (item := searcher.find(image_id))]
        if not found:
            raise NotFound(f"There is no image {ids[0]!r}.")
        return found, names_of(found)
    view = browsing.view_of(searcher, Sort.NEWEST_TAKEN, wanted)
    left_out = set(but)
    if len(view) - len(left_out) > MOST_ARCHIVED:
        raise InvalidInput(
            f"{len(view):,} images meet the filter, and an archive has at most {MOST_ARCHIVED:,}. "
            "Give it another condition."
        )
    items = (item_of(searcher.collection, ordinal) for ordinal in view.ordinals.tolist())
    found = [item for item in items if item.id not in left_out]
    if not found:
        raise NotFound("No image meets the filter.")
    return found, names_of(found)
