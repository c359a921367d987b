"""The direct way of a valid body: whatever is sent is answered as FastAPI answers it."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from shared.contracts.query import SearchRequest
from shared.web.admission import SEARCH_JSON, SEARCHES, admits
from shared.web.keys import Scope
from shared.web.places import Places
from shared.web.scoped import ScopedRoute, needs, receives

MIB = 2**20


def _held() -> int:
    """Return the bytes of bodies that are in memory, where that is traced."""
    if not tracemalloc.is_tracing():
        return 0
    only = tracemalloc.Filter(True, "*starlette/requests.py")
    snapshot = tracemalloc.take_snapshot().filter_traces([only])
    return sum(one.size for one in snapshot.statistics("filename"))


@pytest.fixture
def app(service) -> FastAPI:
    routes = APIRouter(prefix="/v1", route_class=ScopedRoute)

    async def endpoint(request: Request, body: SearchRequest) -> Response:
        held = _held()
        # The thread that parsed the body lets go of it a moment after it has told.
        for _ in range(50):
            if held < MIB:
                break
            await asyncio.sleep(0.02)
            held = _held()
        return Response(json.dumps([body.model_dump(mode="json", exclude_unset=True), held]))

    async def directly(request: Request, body: SearchRequest) -> Response:
        return await endpoint(request, body)

    async def plainly(request: Request, body: SearchRequest) -> Response:
        return await endpoint(request, body)

    direct = receives(SearchRequest)(directly)
    for path, one in (("/direct", direct), ("/plain", plainly)):
        routes.post(path)(needs(Scope.READ)(admits(SEARCH_JSON)(one)))
    app = service()
    app.state.gates.places[SEARCHES] = Places(4, "searches")
    app.include_router(routes)
    return app


def answered(app: FastAPI, path: str, body: bytes, kind: str | None) -> httpx.Response:
    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            headers = {} if kind is None else {"Content-Type": kind}
            return await http.post(f"/v1/{path}", content=body, headers=headers)

    return asyncio.run(post())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"term": "dog", "limit": 3}',
        b'{"term": "dog", "limit": "3"}',
        b'{"term": "dog", "term": "cat"}',
        b'{"vector": [NaN]}',
        b'{"vector": [1e999]}',
        b'{"term": "\\ud800"}',
        b'{"term": "\xff"}',
        '{"term": "dög"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"term": "dog"}',
        b'{"limit": ' + b"9" * 5000 + b"}",
        b'{"vector": [' + b"1" * 5000 + b"]}",
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"[" * 100_000,
        b'{"term": "' + b"x" * 300 * 1024 + b'"}',
        b'{"vector": [' + b"1" * 300 * 1024 + b"]}",
        b'{"term": "dog"}' + b" " * 300 * 1024,
    ],
    ids=lambda body: repr(body[:30]) + str(len(body)),
)
@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "text/plain", None]
)
def test_a_body_is_answered_as_by_the_plain_way(app, body, kind):
    direct, plain = (answered(app, path, body, kind) for path in ("direct", "plain"))
    assert direct.status_code == plain.status_code
    assert direct.status_code < 500
    told, wanted = direct.json(), plain.json()
    if direct.status_code == 200:
        assert told[0] == wanted[0]
    else:
        drop = {"instance", "request_id"}
        assert {k: v for k, v in told.items() if k not in drop} == {
            k: v for k, v in wanted.items() if k not in drop
        }


def test_the_text_of_a_body_is_let_go_before_it_is_answered(app):
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"image":"'
        for _ in range(4):
            yield b"AAAA" * (MIB // 4)
        yield b'"}'

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            headers = {"Content-Type": "application/json"}
            return await http.post("/v1/direct", content=parts(), headers=headers)

    tracemalloc.start()
    try:
        told, held = asyncio.run(post()).json()
    finally:
        tracemalloc.stop()
    assert len(told["image"]) == 4 * MIB
    assert held < MIB
