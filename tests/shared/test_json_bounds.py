"""JSON of a request is bounded in bytes, values and errors, so that no small body costs much."""

import asyncio
import json

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from shared.contracts.batch import BatchRequest
from shared.contracts.features import FeaturesRequest
from shared.contracts.query import SearchRequest
from shared.web import json_body
from shared.web.admission import JSON, SEARCH_JSON, SEARCHES, VECTORS_JSON, admits
from shared.web.keys import Scope
from shared.web.places import Places
from shared.web.scoped import ScopedRoute, needs

MIB = 2**20


@pytest.fixture
def app(service) -> FastAPI:
    routes = APIRouter(prefix="/v1", route_class=ScopedRoute)

    @routes.post("/search")
    @needs(Scope.READ)
    @admits(SEARCH_JSON)
    async def search(body: SearchRequest) -> int:
        return len(body.vector or body.image or "")

    @routes.post("/batch")
    @needs(Scope.READ)
    @admits(JSON)
    async def batch(body: BatchRequest) -> int:
        return len(body.searches)

    @routes.post("/features")
    @needs(Scope.READ)
    @admits(VECTORS_JSON)
    async def features(body: FeaturesRequest) -> int:
        return len(body.items)

    app = service()
    app.state.gates.places[SEARCHES] = Places(4, "searches")
    app.include_router(routes)
    return app


def posted(app: FastAPI, path: str, body: bytes) -> httpx.Response:
    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            headers = {"Content-Type": "application/json"}
            return await http.post(f"/v1/{path}", content=body, headers=headers)

    return asyncio.run(post())


def test_a_vector_of_many_mebibytes_is_refused_before_it_is_parsed(app):
    body = b'{"vector":[' + b"0.25," * (60 * MIB // 5) + b"0.25]}"
    answer = posted(app, "search", body)
    assert answer.status_code == 413
    assert "over 400,000 values" in answer.json()["detail"]


def test_a_picture_in_base64_may_have_many_mebibytes(app):
    body = b'{"image":"' + b"AAAA" * (8 * MIB) + b'"}'
    assert posted(app, "search", body).json() == 24 * MIB


def test_a_vector_has_a_most_number_of_dimensions(app):
    body = json.dumps({"vector": [0.5] * 65_537}).encode()
    answer = posted(app, "search", body)
    assert answer.status_code == 422
    assert "at most 65536 entries" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("search", {"term": "x", **{f"k{i}": 1 for i in range(100_000)}}),
        ("search", {"filter": {"must": [{f"k{i}": 1 for i in range(50_000)}]}, "term": "x"}),
        ("search", {"vector": ["x"] * 60_000}),
        ("search", {"parts": [{}] * 100_000}),
        ("batch", {"searches": [{}] * 100_000}),
        ("batch", {"searches": [{f"k{i}": 1 for i in range(100)}] * 1000}),
        ("features", {"model": "m", "items": [{"id": "a", "vector": ["x"] * 5000}] * 200}),
        ("features", {"model": "m", "items": [{f"k{i}": 1 for i in range(100)}] * 1000}),
    ],
)
def test_of_many_errors_few_are_told(app, path, body):
    answer = posted(app, path, json.dumps(body).encode())
    assert answer.status_code == 422
    assert 1 <= len(answer.json()["errors"]) <= 20
    assert len(answer.content) < 10_000


def test_an_object_of_many_errors_says_how_many(app):
    body = {"term": "x", **{f"k{i}": 1 for i in range(5000)}}
    [error] = posted(app, "search", json.dumps(body).encode()).json()["errors"]
    assert error["message"] == "The body has 5,000 errors, so it seems meant for another call."


def test_a_body_over_the_bound_of_its_call_is_refused_by_its_length(app):
    answer = posted(app, "batch", b" " * (4 * MIB + 1))
    assert answer.status_code == 413
    assert "for this call" in answer.json()["detail"]


def test_the_event_loop_goes_on_while_a_large_body_is_read_and_validated(app):
    vector = "[" + ",".join(["0.25"] * 2000) + "]"
    items = ",".join(f'{{"id":"{n}","vector":{vector}}}' for n in range(1000))
    body = f'{{"model":"mine","items":[{items}]}}'.encode()

    async def post() -> tuple[int, int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            headers = {"Content-Type": "application/json"}
            asking = asyncio.create_task(http.post("/v1/features", content=body, headers=headers))
            turns = 0
            while not asking.done():
                turns += 1
                await asyncio.sleep(0)
            return (await asking).json(), turns

    # In one piece it takes a dozen turns, however long they are.
    found, turns = asyncio.run(post())
    assert found == 1000
    assert turns > 50


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        ' {"a" : [ ] , "b":{"c":[1, 2]},"a":[1 , {"x": "\\u00e9"}, null]} ',
        '{"n": 1e400, "t": true, "s": "\\ud800", "f": -0.5}',
        "[1, 2]",
        '"text"',
        "7",
    ],
)
def test_json_in_pieces_is_read_as_in_one(text):
    for body in (text.encode(), text.encode("utf-16")):
        assert json_body.loads(body) == json.loads(body)


@pytest.mark.parametrize(
    "text", ["", "{", '{"a"', '{"a":', '{"a":[1,', '{"a":[1 2]}', "{} {}", "{,}"]
)
def test_what_is_no_json_is_told_as_ever(text):
    with pytest.raises(json.JSONDecodeError) as whole:
        json.loads(text)
    with pytest.raises(json.JSONDecodeError) as pieces:
        json_body.loads(text.encode())
    assert str(pieces.value) == str(whole.value)


def test_a_large_body_is_refused_with_the_errors_of_a_small_one(app):
    def answered(more: int):
        items = [{"id": str(n), "vector": [0.25] * 200} for n in range(more)]
        items.append({"id": "x", "colour": "red"})
        return posted(app, "features", json.dumps({"model": "m", "items": items}).encode())

    small, large = answered(0), answered(999)
    assert small.status_code == large.status_code == 422
    assert small.json()["detail"] == large.json()["detail"].replace(".999.", ".0.")
