import asyncio
import errno
import logging

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from shared.core import errors, problem

TREE = errors.tree()
STATUSES = {
    "internal": 500,
    "invalid-input": 422,
    "bad-image": 422,
    "bad-vector": 422,
    "unknown-term": 422,
    "not-found": 404,
    "conflict": 409,
    "fingerprint-mismatch": 409,
    "model-drift": 409,
    "unauthorized": 401,
    "forbidden": 403,
    "foreign-page": 403,
    "foreign-host": 403,
    "lacks-scope": 403,
    "too-large": 413,
    "outside-range": 416,
    "overloaded": 429,
    "behind": 412,
    "rate-limited": 429,
    "share-used": 429,
    "slow-body": 408,
    "unavailable": 503,
    "catalogue-away": 503,
    "storage-full": 507,
    "corrupt": 500,
    "misconfigured": 500,
}


class Body(BaseModel):
    count: int


@pytest.fixture
def app(service) -> FastAPI:
    app = service(max_body_bytes=1000)

    @app.get("/raise/{slug}")
    async def raise_error(slug: str) -> None:
        raise TREE[slug]("What is wrong.", items=[{"index": 0}], retry_after=3)

    @app.get("/os/{number}")
    def raise_os_error(number: int) -> None:
        raise OSError(number, "sensitive text")

    @app.get("/unexpected")
    def raise_unexpected() -> None:
        raise ZeroDivisionError("sensitive text")

    @app.get("/checking")
    def raise_checking() -> None:
        raise errors.Unavailable("The file is being checked.", retry_after=1, checking=True)

    @app.get("/broken-off")
    async def break_off() -> StreamingResponse:
        async def body():
            yield b"begun"
            raise ZeroDivisionError("sensitive text")

        return StreamingResponse(body())

    @app.post("/body")
    async def body(body: Body) -> Body:
        return body

    return app


def test_every_class_of_the_tree_has_its_own_slug():
    assert set(TREE) == set(STATUSES)
    assert all(cls.slug == slug for slug, cls in TREE.items())


@pytest.mark.parametrize("slug", STATUSES)
def test_an_error_survives_the_wire(slug):
    error = TREE[slug]("What is wrong.", items=[{"index": 1}], retry_after=3)
    status = problem.status_of(error)
    back = problem.from_body(status, problem.body_of(error, "/path"))
    assert status == STATUSES[slug]
    assert type(back) is TREE[slug]
    assert (back.detail, back.extra) == (error.detail, error.extra)


@pytest.mark.parametrize("slug", STATUSES)
def test_an_error_leaves_an_app_as_a_problem_document(app, ask, slug):
    response = ask(app, "GET", f"/raise/{slug}")
    body = response.json()
    assert response.status_code == body["status"] == STATUSES[slug]
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"] == "3"
    assert ("WWW-Authenticate" in response.headers) == (slug == "unauthorized")
    assert body["type"] == f"urn:ise:problem:{slug}"
    assert body["title"] == TREE[slug].title
    assert body["instance"] == f"/raise/{slug}"
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert body["items"] == [{"index": 0}]


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (401, errors.Unauthorized),
        (404, errors.NotFound),
        (413, errors.TooLarge),
        (422, errors.InvalidInput),
        (412, errors.Behind),
        (429, errors.Overloaded),
        (500, errors.ISEError),
        (503, errors.Unavailable),
        (418, errors.ISEError),
    ],
)
def test_a_status_without_a_type_of_ours_becomes_its_most_general_error(status, cls):
    for body in ({}, {"detail": "Said."}, {"type": "urn:other:thing"}):
        assert type(problem.from_body(status, body)) is cls


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/body")])
def test_what_no_route_takes_is_a_problem_document(app, ask, method, path):
    response = ask(app, method, path)
    body = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.status_code == body["status"] == (404 if path == "/nowhere" else 405)
    assert response.headers.get("Allow") == (None if path == "/nowhere" else "POST")
    assert body["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize("body", [b'{"count": "sensitive"}', b"{", b"[]", b"", b"\xff"])
def test_a_body_that_does_not_fit_is_refused_by_field_and_not_echoed(app, ask, body):
    response = ask(app, "POST", "/body", content=body, headers={"Content-Type": "application/json"})
    found = response.json()
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "sensitive" not in response.text
    if body.startswith(b'{"'):
        assert found["errors"][0]["field"] == "body.count"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_507(app, ask, number):
    response = ask(app, "GET", f"/os/{number}")
    assert (response.status_code, response.json()["type"]) == (507, "urn:ise:problem:storage-full")


@pytest.mark.parametrize("path", ["/unexpected", f"/os/{errno.EACCES}"])
def test_an_unexpected_error_is_told_to_the_log_alone(app, ask, caplog, path):
    with caplog.at_level(logging.ERROR):
        response = ask(app, "GET", path, headers={"X-Request-ID": "mine"})
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == response.json()["request_id"] == "mine"
    assert "sensitive" not in response.text
    assert any("sensitive" in str(record.exc_info[1]) for record in caplog.records)


@pytest.mark.parametrize(
    ("path", "level"), [("/checking", logging.INFO), ("/raise/unavailable", logging.ERROR)]
)
def test_a_file_that_is_being_checked_is_no_error_in_the_log(app, ask, caplog, path, level):
    with caplog.at_level(logging.INFO):
        assert ask(app, "GET", path).status_code == 503
    told = [record.levelno for record in caplog.records if "unavailable: " in record.getMessage()]
    assert told == [level]
    assert max(record.levelno for record in caplog.records) == level


def test_an_answer_that_breaks_off_is_not_continued_by_a_problem(app):
    with pytest.raises(ZeroDivisionError):
        asyncio.run(app(_scope("GET", "/broken-off"), _no_body, _forget))


def test_a_body_over_the_limit_is_refused_before_any_of_it_is_read(app):
    sent = []

    async def receive():
        raise AssertionError("the body was read")

    async def send(message):
        sent.append(message)

    scope = _scope("POST", "/body", [(b"content-length", b"1001")])
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 413
    assert (b"content-type", b"application/problem+json") in sent[0]["headers"]


def test_a_body_of_no_announced_length_is_refused_when_it_grows_over_the_limit(app, ask):
    async def chunks():
        for _ in range(11):
            yield b" " * 100

    response = ask(app, "POST", "/body", content=chunks())
    assert response.status_code == 413
    assert response.json()["type"] == "urn:ise:problem:too-large"


def test_a_body_just_at_the_limit_is_taken(app, ask):
    body = b'{"count": 1}'.ljust(1000)
    response = ask(app, "POST", "/body", content=body, headers={"Content-Type": "application/json"})
    assert response.json() == {"count": 1}


def _scope(method, path, headers=()):
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
        "scheme": "http",
        "server": ("test", 80),
        "root_path": "",
    }


async def _no_body():
    return {"type": "http.request", "body": b"", "more_body": False}


async def _forget(_):
    return None
