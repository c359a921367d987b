"""`ise mcp` as a process, asked by a client of the protocol over stdio."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, ImageContent, TextContent

from tests.e2e.conftest import engine, sample
from tests.e2e.engine import Engine

__all__ = ["engine", "sample"]

READING = {"search_by_text", "search_by_picture", "similar", "show", "tags", "stats"}
WRITING = {"tag", "untag"}


@asynccontextmanager
async def assistant(url: str, *options: str) -> AsyncIterator[Client]:
    """A client whose server is the command, started as an assistant starts it."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "shared.cli.main", "mcp", *options],
        env={**os.environ, "ISE_QUERY_URL": url},
    )
    async with Client(server) as client:
        yield client


async def call(client: Client, name: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(name, arguments)


async def answer(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    result = await call(client, name, **arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


def told(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.slow
def test_every_tool_answers(engine: Engine, sample: Path) -> None:
    anyio.run(_call_every_tool, engine, sample)


async def _call_every_tool(engine: Engine, sample: Path) -> None:
    picture = next(sample.parent.rglob("*.jpg"))
    async with assistant(engine.group.url("query"), "--write") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == READING | WRITING
        assert all(tool.description and tool.annotations for tool in tools.values())

        assert (await answer(client, "stats"))["images"] == 160
        listed = await answer(client, "tags", limit=1)
        ((most, count),) = listed["tags"].items()
        by_text = await answer(client, "search_by_text", term=most, limit=3)
        assert by_text["mode"] == "tag"
        assert all(most in hit["tags"] for hit in by_text["hits"])
        by_picture = await answer(client, "search_by_picture", path=str(picture), limit=1)
        found = by_picture["hits"][0]
        assert found["uri"].endswith(picture.name)
        alike = await answer(client, "similar", id=found["id"], limit=2)
        assert found["id"] not in [hit["id"] for hit in alike["hits"]]

        text, image = (await call(client, "show", id=found["id"])).content
        assert isinstance(text, TextContent)
        assert json.loads(text.text)["tags"] == found["tags"]
        assert isinstance(image, ImageContent)
        assert image.mime_type == "image/jpeg"

        assert (await answer(client, "tag", ids=[found["id"]], tags=["kept"]))["changed"] == 1
        assert (await answer(client, "search_by_text", term="kept"))["hits"][0]["id"] == found["id"]
        gone = await answer(client, "untag", ids=[found["id"], "none"], tags=["kept"])
        assert (gone["changed"], gone["unknown"]) == (1, ["none"])
        assert count == (await answer(client, "tags", match=most))["tags"][most]


@pytest.mark.slow
def test_without_write_no_tool_changes_anything(engine: Engine) -> None:
    anyio.run(_read_only, engine)


async def _read_only(engine: Engine) -> None:
    async with assistant(engine.group.url("query")) as client:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == READING
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        hits = (await answer(client, "search_by_text", term="dog", limit=1))["hits"]
        for name in sorted(WRITING):
            refused = await call(client, name, ids=[hits[0]["id"]], tags=["forbidden"])
            assert "ise mcp --write" in told(refused)
        assert (await answer(client, "tags", match="forbidden"))["total"] == 0


def test_an_error_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    anyio.run(_errors, tmp_path)


async def _errors(folder: Path) -> None:
    async with assistant("http://127.0.0.1:9") as client:
        assert "Start the services with `ise up`." in told(await call(client, "stats"))
        path = str(folder / "none.jpg")
        assert f"{path} can't be read: No such file" in told(
            await call(client, "search_by_picture", path=path)
        )
