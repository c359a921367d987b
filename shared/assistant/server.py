"""MCP server of a collection. Standard output carries the protocol, so nothing else prints."""

from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import Tool, ToolAnnotations
from pydantic import Field

from shared.assistant.results import Collection, Edited, Results, TagList, facts
from shared.clients import curation, query
from shared.clients.transport import AsyncClient
from shared.contracts.curation import BulkRequest
from shared.core.errors import InvalidInput, ISEError, NotFound
from shared.core.validation import made
from shared.core.version import VERSION

P = ParamSpec("P")
R = TypeVar("R")

_INSTRUCTIONS = (
    "Searches the user's own collection of pictures. Name pictures by their `uri` to the user, and "
    "by their `id` to these tools."
)
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True)
_MOST_HITS = 100

Limit = Annotated[int, Field(ge=1, le=_MOST_HITS, description="Number of images to return.")]
ImageId = Annotated[str, Field(description="Id of an image, as a search returned it.")]
Ids = Annotated[list[str], Field(min_length=1, max_length=1000, description="Ids of images.")]
SomeTags = Annotated[list[str], Field(min_length=1, description="Tags.")]


class CollectionServer(MCPServer[None]):
    """MCP server that lists no tool which it would refuse, and says why it refuses one."""

    def __init__(self, client: AsyncClient, may_write: bool) -> None:
        """client: of the query service, which forwards changes to the indexer."""
        super().__init__(
            "image-search-engine",
            instructions=_INSTRUCTIONS,
            version=VERSION,
            log_level="WARNING",
        )
        self._may_write = may_write
        _add_reading(self, client)
        _add_writing(self, client, may_write)

    async def list_tools(self) -> list[Tool]:
        return [
            tool
            for tool in await super().list_tools()
            if self._may_write or (tool.annotations and tool.annotations.read_only_hint)
        ]


def _add_reading(server: MCPServer[None], client: AsyncClient) -> None:
    @server.tool(annotations=_READS)
    @_told
    async def search_by_text(
        term: Annotated[str, Field(description="A tag, or what the pictures show: `dog`.")],
        limit: Limit = 10,
    ) -> Results:
        """Find pictures by a word: those with the tag, else those that show what it means."""
        return Results.of(await client.send(query.search_term(term, limit=limit)))

    @server.tool(annotations=_READS)
    @_told
    async def search_by_picture(
        path: Annotated[str, Field(description="Path of a picture on the user's machine.")],
        limit: Limit = 10,
    ) -> Results:
        """Find pictures of the collection that look like a picture file."""
        data, name = _read(path), Path(path).name
        return Results.of(await client.send(query.search_image(data, name, limit=limit)))

    @server.tool(annotations=_READS)
    @_told
    async def similar(id: ImageId, limit: Limit = 10) -> Results:  # noqa: A002
        """Find pictures that look like one of the collection."""
        return Results.of(await client.send(query.find_similar_images(id, limit=limit)))

    @server.tool(annotations=_READS, structured_output=False)
    @_told
    async def show(id: ImageId) -> list[Any]:  # noqa: A002
        """Return what is known of a picture (tags, paths, date, camera), and a small version."""
        told: list[Any] = [facts(await client.send(query.get_image(id)))]
        try:
            thumbnail = await client.send(query.get_thumbnail(id))
        except NotFound:
            return told  # Imported as a vector, without a file.
        return [*told, Image(data=thumbnail, format="jpeg")]

    @server.tool(annotations=_READS)
    @_told
    async def tags(
        match: Annotated[str, Field(description="Only tags of which a word begins so.")] = "",
        limit: Annotated[int, Field(ge=1, le=1000, description="Number of tags.")] = 50,
    ) -> TagList:
        """List the tags of the collection, the most frequent first."""
        return TagList.of(await client.send(query.list_tags(match=match, limit=limit)))

    @server.tool(annotations=_READS)
    @_told
    async def stats() -> Collection:
        """Return how many pictures the collection has, and its model."""
        return Collection.of(await client.send(query.get_stats()))


def _add_writing(server: MCPServer[None], client: AsyncClient, may_write: bool) -> None:
    async def change(request: BulkRequest) -> Edited:
        if not may_write:
            raise ToolError("This server only reads. Start it as `ise mcp --write` to change tags.")
        return Edited.of(await client.send(curation.change_images(request)))

    @server.tool(annotations=_WRITES)
    @_told
    async def tag(ids: Ids, tags: SomeTags) -> Edited:
        """Add tags to pictures."""
        return await change(made(BulkRequest, ids=ids, add_tags=tags))

    @server.tool(annotations=_WRITES)
    @_told
    async def untag(ids: Ids, tags: SomeTags) -> Edited:
        """Remove tags from pictures."""
        return await change(made(BulkRequest, ids=ids, remove_tags=tags))


def _told(tool: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Give the sentence of an error to the assistant, which may act on it."""

    @wraps(tool)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await tool(*args, **kwargs)
        except ISEError as error:
            raise ToolError(error.detail) from error

    return run


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise InvalidInput(f"{path} can't be read: {why or error}.") from error
