"""The original files of many pictures, as one zip."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from services.query.answering.archive import archive_of
from services.query.api.search import Ask
from services.query.search.searcher import Searcher
from shared.clients import indexer
from shared.clients.transport import AsyncClient
from shared.contracts.base import Wire
from shared.contracts.curation import ArchiveRequest, Id
from shared.core.errors import NotFound
from shared.web.keys import Scope
from shared.web.media import ZIP
from shared.web.problems import DAMAGED, NO_IMAGE, problems
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
    responses=ZIP | problems(NO_IMAGE, DAMAGED),
)
@needs(Scope.READ)
async def get_archive(
    ask: Ask, request: Request, query: Annotated[ArchiveQuery, Query()]
) -> Response:
    """Return a zip of the unchanged files. A file that can't be read is named in `missing.txt`."""
    return _streamed(request, await ask.searcher(), query.id)


@router.post(
    "/archive",
    summary="Download many pictures as a zip",
    response_class=Response,
    responses=ZIP | problems(NO_IMAGE, DAMAGED),
)
@needs(Scope.READ)
async def post_archive(ask: Ask, request: Request, body: ArchiveRequest) -> Response:
    """Return a zip of the unchanged files. A file that can't be read is named in `missing.txt`."""
    return _streamed(request, await ask.searcher(), body.ids)


def _streamed(request: Request, searcher: Searcher, ids: list[str]) -> Response:
    client: AsyncClient = request.app.state.indexer
    found = [item for image_id in dict.fromkeys(ids) if (item := searcher.find(image_id))]
    if not found:
        raise NotFound(f"There is no image {ids[0]!r}.")

    async def fetch(image_id: str) -> bytes:
        return (await client.send(indexer.get_image_file(image_id)))[0]

    headers = {
        "Content-Disposition": 'attachment; filename="pictures.zip"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(
        archive_of(found, fetch), media_type="application/zip", headers=headers
    )
