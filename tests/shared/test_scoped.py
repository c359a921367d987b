"""What a key is good for is declared at the route; calls that change something are logged."""

import asyncio
import json
import logging

import pytest
from fastapi import APIRouter, FastAPI, Request

from shared.core.errors import Misconfigured, NotFound
from shared.web.admission import JSON, admits
from shared.web.keys import Scope
from shared.web.scoped import ScopedRoute, needs
from shared.web.write_log import tell

OWN, READER, WRITER = "the-services-own", "reader-0123456789", "writer-0123456789"


@pytest.fixture
def app(service, tmp_path) -> FastAPI:
    router = APIRouter(prefix="/v1", route_class=ScopedRoute)

    @router.get("/things/{image_id:path}")
    @needs(Scope.READ)
    def read_thing(image_id: str) -> str:
        return image_id

    @router.post("/search")
    @needs(Scope.READ)
    @admits(JSON)
    async def search(request: Request) -> int:
        return len(await request.body())

    @router.put("/things/{image_id:path}")
    @needs(Scope.WRITE)
    @admits(JSON)
    async def write_thing(image_id: str, request: Request) -> int:
        size = len(await request.body())
        tell(request, ids=[image_id])
        if image_id == "none":
            raise NotFound("There is no thing.")
        if image_id == "broken":
            raise ZeroDivisionError
        return size

    @router.post("/threaded")
    @needs(Scope.WRITE)
    @admits(JSON)
    def threaded(request: Request) -> None:
        tell(request, count=7)

    file = tmp_path / "keys"
    file.write_text(f"reader read {READER}\nwriter write {WRITER}\n")
    app = service(api_key=OWN, api_keys_file=file)
    app.include_router(router)
    return app


@pytest.fixture
def told(caplog):
    """The writes that were logged."""
    caplog.set_level(logging.INFO, "shared.web.write_log")
    return lambda: [record.write for record in caplog.records if hasattr(record, "write")]


def by(key):
    return {"Authorization": f"Bearer {key}"}


CALLS = [("GET", "/v1/things/a"), ("POST", "/v1/search"), ("PUT", "/v1/things/a")]


@pytest.mark.parametrize(
    ("key", "statuses"),
    [(OWN, [200, 200, 200]), (READER, [200, 200, 403]), (WRITER, [403, 403, 200])],
)
def test_a_key_does_what_its_scopes_say_and_no_more(app, ask, key, statuses):
    answers = [ask(app, *call, headers=by(key)) for call in CALLS]
    assert [answer.status_code for answer in answers] == statuses
    for answer in answers:
        if answer.status_code == 403:
            body = answer.json()
            assert body["type"] == "urn:ise:problem:lacks-scope"
            assert body["scope"] == ("write" if key == READER else "read")
            assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_body_is_not_read_of_one_who_may_not_send_it(app):
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {READER}".encode())]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "http",
        "path": "/v1/things/a",
        "raw_path": b"/v1/things/a",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
    }
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 403


def test_a_method_that_no_route_takes_is_405_for_any_key(app, ask):
    assert ask(app, "DELETE", "/v1/things/a", headers=by(READER)).status_code == 405


def test_a_route_that_declares_nothing_can_not_be_made():
    router = APIRouter(route_class=ScopedRoute)
    with pytest.raises(Misconfigured, match="declares no scope"):

        @router.get("/v1/thing")
        def thing() -> None: ...

    with pytest.raises(Misconfigured, match="declares no admission"):

        @router.post("/v1/thing")
        @needs(Scope.WRITE)
        def change() -> None: ...


def test_the_openapi_says_which_scope_a_call_needs(app):
    paths = app.openapi()["paths"]
    assert paths["/v1/search"]["post"]["security"] == [{}, {"key": ["read"]}]
    assert paths["/v1/threaded"]["post"]["security"] == [{}, {"key": ["write"]}]
    assert "lacks-scope" in str(paths["/v1/threaded"]["post"]["responses"]["403"])
    assert "security" not in paths["/health"]["get"]


def test_each_write_is_a_line_that_says_who_what_and_what_became_of_it(app, ask, told, caplog):
    headers = by(WRITER) | {"X-Request-ID": "mine"}
    ask(app, "PUT", "/v1/things/a", headers=headers, content=b"content-of-a-picture")
    ask(app, "PUT", "/v1/things/none", headers=headers)
    ask(app, "PUT", "/v1/things/broken", headers=headers)
    ask(app, "PUT", "/v1/things/b", headers=by(READER))
    ask(app, "POST", "/v1/threaded", headers=by(OWN))
    ask(app, "POST", "/v1/search", headers=by(OWN))
    ask(app, "GET", "/v1/things/a", headers=by(OWN))
    assert [(line["key"], line["action"], line["status"]) for line in told()] == [
        ("writer", "write_thing", 200),
        ("writer", "write_thing", 404),
        ("writer", "write_thing", 500),
        ("reader", "write_thing", 403),
        ("ISE_API_KEY", "threaded", 200),
    ]
    assert told()[0] == {
        "key": "writer",
        "address": "127.0.0.1",
        "action": "write_thing",
        "method": "PUT",
        "path": "/v1/things/a",
        "status": 200,
        "ids": ["a"],
    }
    assert told()[4]["count"] == 7
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert not any(text in logged for text in (OWN, READER, WRITER, "content-of-a-picture"))


def test_an_id_can_not_begin_a_line_of_its_own(app, ask, told, caplog):
    ask(app, "PUT", "/v1/things/a%0Dwrite%20forged", headers=by(OWN))
    assert told()[0]["ids"] == ["a\rwrite forged"]
    [line] = [r.getMessage() for r in caplog.records if r.getMessage().startswith("write ")]
    assert "\r" not in line
    assert json.loads(line.removeprefix("write "))["ids"] == ["a\rwrite forged"]


def test_without_keys_a_write_is_told_by_its_address(service, ask, told):
    app = service()
    router = APIRouter(route_class=ScopedRoute)

    @router.post("/v1/thing")
    @needs(Scope.WRITE)
    @admits(JSON)
    def change() -> None: ...

    app.include_router(router)
    assert ask(app, "POST", "/v1/thing").status_code == 200
    assert [(line["key"], line["address"]) for line in told()] == [(None, "127.0.0.1")]
