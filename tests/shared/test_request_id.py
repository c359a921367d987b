import asyncio
import json
import logging

import httpx
import pytest

from shared.clients.transport import AsyncClient, Call
from shared.core.request_id import current_request_id, set_request_id
from shared.web.logs import JsonLine


@pytest.fixture
def app(service):
    app = service()

    @app.get("/id")
    def own() -> str | None:
        return current_request_id()

    return app


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 64])
def test_a_well_formed_id_is_taken_and_sent_back(app, ask, given):
    response = ask(app, "GET", "/id", headers={"X-Request-ID": given})
    assert response.json() == response.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a\tb", "é", "a/b"])
def test_an_id_is_made_where_none_is_given_or_it_is_malformed(app, ask, given):
    headers = {} if given is None else {"X-Request-ID": given.encode()}
    response = ask(app, "GET", "/id", headers=headers)
    made = response.headers["X-Request-ID"]
    assert response.json() == made != given
    assert len(made) == 32
    assert response.headers.get_list("X-Request-ID") == [made]


def test_two_requests_get_two_ids_and_none_is_left_after(app, ask):
    first, second = (ask(app, "GET", "/id").json() for _ in range(2))
    assert first != second
    assert current_request_id() is None


def test_the_id_travels_through_a_client_to_the_next_service(app, service, ask):
    front = service()
    client = AsyncClient("http://localhost", transport=httpx.ASGITransport(app))

    @front.get("/front")
    async def pass_on() -> str:
        return await client.send(Call("GET", "/id", lambda response: response.json()))

    assert ask(front, "GET", "/front", headers={"X-Request-ID": "one.two"}).json() == "one.two"


def test_an_id_set_outside_of_a_request_is_sent_and_logged():
    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=request.headers.get("X-Request-ID"))

    async def work() -> tuple[str, str]:
        set_request_id("job-7")
        client = AsyncClient("http://x", transport=httpx.MockTransport(echo))
        record = logging.makeLogRecord({"name": "x"})
        line = json.loads(JsonLine("query").format(record))
        return await client.send(Call("GET", "/", lambda r: r.json())), line["request_id"]

    assert asyncio.run(work()) == ("job-7", "job-7")
