"""Archives of pictures: what a slow or absent indexer does to them, and their names."""

import asyncio
import io
import json
import zipfile

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Response

from services.query.answering.archive import Archives, archive_of, names_of
from services.query.api.archive import _ArchiveResponse
from shared.clients.transport import AsyncClient
from shared.core import deadline
from shared.core.errors import Unavailable
from shared.snapshots.items import Item
from shared.web import problem

IDS = [f"i{n}" for n in range(4)]


def service_with(app, library, serve, **settings):
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    items = [Item(n, one, uris=[f"{one}.jpg"]) for n, one in enumerate(IDS)]
    library.publish(items, visual=library.space(vectors))
    problem.install(app)
    client = AsyncClient(
        "http://indexer", transport=httpx.ASGITransport(app, raise_app_exceptions=False)
    )
    return serve(library, indexer=client, **settings)


def test_an_archive_may_take_longer_than_an_answer(library, serve):
    app = FastAPI()

    @app.get("/v1/images/{image_id}/file")
    async def slow(image_id: str) -> Response:
        await asyncio.sleep(0.5)
        return Response(image_id.encode(), media_type="image/png")

    service = service_with(app, library, serve, answer_seconds=1.0)
    answer = service.send("POST", "/v1/archive", json={"ids": IDS})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"{one}.jpg": one.encode() for one in IDS
        }


def test_an_archive_has_what_meets_a_filter_less_what_is_left_out(library, serve):
    app = FastAPI()

    @app.get("/v1/images/{image_id}/file")
    async def file(image_id: str) -> Response:
        return Response(image_id.encode(), media_type="image/png")

    service = service_with(app, library, serve)
    every = {"should": [{"key": "x", "exists": True}, {"key": "x", "exists": False}]}
    wanted = {"filter": every, "but": [IDS[0]]}
    for answer in (
        service.send("POST", "/v1/archive", json=wanted),
        service.send("GET", "/v1/archive", params={"filter": json.dumps(every), "but": IDS[0]}),
    ):
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert sorted(archive.namelist()) == [f"{one}.jpg" for one in IDS[1:]]
    for refused in (
        {},
        {"ids": IDS, "filter": every},
        {"ids": IDS, "but": IDS},
        {"filter": {"must": [{"tag": "none"}]}},
    ):
        status = service.send("POST", "/v1/archive", json=refused).status_code
        assert status == (404 if "filter" in refused and len(refused) == 1 else 422)
    assert service.send("GET", "/v1/archive").status_code == 422


def test_an_archive_whose_files_are_away_has_no_end(library, serve):
    app = FastAPI()

    @app.get("/v1/images/{image_id}/file")
    async def away(image_id: str) -> Response:
        if image_id != IDS[0]:
            raise Unavailable("The disk is not there.")
        return Response(b"x", media_type="image/png")

    service = service_with(app, library, serve)
    parts = []

    async def download() -> None:
        query = "&".join(f"id={one}" for one in IDS)
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/archive",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost")],
        }
        gone = asyncio.Event()
        sent = False

        async def receive():
            nonlocal sent
            if sent:
                await gone.wait()
            sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            parts.append(message)

        await service.app(scope, receive, send)

    with pytest.raises(RuntimeError, match="response already started"):
        asyncio.run(download())
    assert parts[0]["status"] == 200
    assert all(part["more_body"] for part in parts[1:])
    body = b"".join(part["body"] for part in parts[1:])
    assert b"missing.txt" not in body
    assert not zipfile.is_zipfile(io.BytesIO(body))
    assert service.app.state.archives.in_hand == 0


def test_an_archive_waits_for_files_that_are_being_checked(library, serve):
    """After a restart of the indexer, each large file is checked when it is first asked for."""
    app, asked = FastAPI(), []

    @app.get("/v1/images/{image_id}/file")
    async def checked(image_id: str) -> Response:
        asked.append(image_id)
        if image_id != IDS[0] and asked.count(image_id) < 2:
            raise Unavailable("It is being checked.", retry_after=0.1, checking=True)
        return Response(image_id.encode(), media_type="video/mp4")

    service = service_with(app, library, serve)
    answer = service.send("POST", "/v1/archive", json={"ids": IDS})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [one.encode() for one in IDS]
    assert len(asked) == 7


def test_a_client_that_leaves_an_archive_has_its_file_closed():
    closed = []

    class Film:
        size = 100

        async def pieces(self):
            for _ in range(100):
                yield b"x"

        async def aclose(self):
            closed.append(self)

    async def fetch(_: str) -> Film:
        return Film()

    async def run() -> None:
        gone = asyncio.Event()

        async def receive():
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if message.get("body"):
                gone.set()
                # A client that reads no more.
                await asyncio.Event().wait()

        places = Archives(1)
        places.take()
        parts = archive_of([Item(0, IDS[0])], ["a.mp4"], fetch)
        response = _ArchiveResponse(parts, places, {})
        await response({"type": "http"}, receive, send)
        assert (len(closed), places.in_hand) == (1, 0)

    asyncio.run(run())


def test_only_so_many_archives_are_sent_at_once(library, serve):
    app = FastAPI()

    async def run() -> tuple[int, int, int]:
        asked, go = asyncio.Event(), asyncio.Event()

        @app.get("/v1/images/{image_id}/file")
        async def wait(image_id: str) -> Response:
            asked.set()
            await go.wait()
            return Response(b"x", media_type="image/png")

        service = service_with(app, library, serve)
        service.app.state.archives.limit = 1
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            first = asyncio.create_task(client.get("/v1/archive", params={"id": IDS[0]}))
            await asked.wait()
            refused = await client.get("/v1/archive", params={"id": IDS[1]})
            go.set()
            await first
            missing = await client.get("/v1/archive", params={"id": "none"})
            after = await client.get("/v1/archive", params={"id": IDS[1]})
        return refused.status_code, missing.status_code, after.status_code

    assert asyncio.run(run()) == (429, 404, 200)


def test_names_differ_however_many_are_equal():
    items = [Item(n, str(n), uris=["a.jpg"]) for n in range(3000)]
    items[5] = Item(5, "5", uris=["A (2).jpg"])
    names = names_of(items)
    assert len({name.casefold() for name in names}) == 3000
    assert names[:3] == ["a.jpg", "a (2).jpg", "a (3).jpg"]


def test_a_deadline_anew_is_no_part_of_the_one_around_it():
    with deadline.within(0.001):
        with deadline.anew(60):
            assert deadline.remaining() > 1
        assert deadline.remaining() < 1
