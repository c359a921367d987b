"""The original files of many pictures, as one zip."""

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from services.query.answering.archive import Archives, archive_of, names_of
from services.query.api.search import Ask
from services.query.search.searcher import Searcher
from shared.clients import indexer
from shared.clients.transport import AsyncClient
from shared.contracts.base import Wire
from shared.contracts.curation import ArchiveRequest, Id
from shared.core.errors import NotFound
from shared.snapshots.items import Item
from shared.web.admission import ARCHIVE, admits
from shared.web.keys import Scope
from shared.web.media import ZIP
from shared.web.problems import ARCHIVES, DAMAGED, NO_IMAGE, problems
from shared.web.scoped import ScopedRoute, needs

router = APIRouter(prefix="/v1", tags=["images"], route_class=ScopedRoute)


class ArchiveQuery(Wire):
    """Images whose files are wanted."""

    id: Annotated[list[Id], Field(min_length=1, max_length=1000)] = Field(
        description="Id of an image; once for each."
    )


@router.get(
    "/archive",
    summary="Download pictures as a zip",
    response_class=Response,
    responses=ZIP | problems(NO_IMAGE, ARCHIVES, DAMAGED),
)
@needs(Scope.READ)
@admits(ARCHIVE)
async def get_archive(
    ask: Ask, request: Request, query: Annotated[ArchiveQuery, Query()]
) -> Response:
    """Return a zip of the unchanged files. A file that can't be read is named in `missing.txt`."""
    return await _streamed(request, await ask.searcher(), query.id)


@router.post(
    "/archive",
    summary="Download many pictures as a zip",
    response_class=Response,
    responses=ZIP | problems(NO_IMAGE, ARCHIVES, DAMAGED),
)
@needs(Scope.READ)
@admits(ARCHIVE)
async def download_images(ask: Ask, request: Request, body: ArchiveRequest) -> Response:
    """Return a zip of the unchanged files. A file that can't be read is named in `missing.txt`."""
    return await _streamed(request, await ask.searcher(), body.ids)


class _ArchiveResponse(StreamingResponse):
    """Stream that holds a place among the archives until it ends, or its client leaves."""

    media_type = "application/zip"
    places: Archives

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.places.release()


async def _streamed(request: Request, searcher: Searcher, ids: list[str]) -> Response:
    client: AsyncClient = request.app.state.indexer
    places: Archives = request.app.state.archives
    places.take()
    try:
        found, names = await anyio.to_thread.run_sync(_named, searcher, ids)
    except BaseException:
        places.release()
        raise

    async def fetch(image_id: str) -> bytes:
        return (await client.send(indexer.get_image_file(image_id)))[0]

    headers = {
        "Content-Disposition": 'attachment; filename="pictures.zip"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    response = _ArchiveResponse(archive_of(found, names, fetch), headers=headers)
    response.places = places
    return response


def _named(searcher: Searcher, ids: list[str]) -> tuple[list[Item], list[str]]:
    """Return the images of some ids, and a file name for each. Raises NotFound."""
    found = [item for image_id in dict.fromkeys(ids) if (item := searcher.find(image_id))]
    if not found:
        raise NotFound(f"There is no image {ids[0]!r}.")
    return found, names_of(found)
