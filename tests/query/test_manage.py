"""The indexer's calls at the query service's address: what goes on, and what comes back."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse

from shared.clients.transport import AsyncClient
from shared.contracts.jobs import Job, JobKind, Jobs, JobState, Progress
from shared.core.errors import Forbidden, Overloaded
from shared.web import problem

JOB = Job(
    id="7",
    kind=JobKind.BUILD,
    state=JobState.QUEUED,
    progress=Progress(),
    created_at="2026-11-22T05:43:50+00:00",
)


class Told:
    """An indexer that keeps what it was asked."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.chunks: list[bytes] = []
        self.asked: dict[str, Any] = {}
        self.app = FastAPI()
        problem.install(self.app)

        @self.app.get("/v1/jobs")
        async def jobs(request: Request) -> Jobs:
            self.headers = dict(request.headers)
            return Jobs(jobs=[JOB])

        @self.app.post("/v1/images")
        async def images(request: Request) -> JSONResponse:
            self.headers = dict(request.headers)
            self.chunks = [chunk async for chunk in request.stream() if chunk]
            return JSONResponse({"items": [], "snapshot": 3})

        @self.app.post("/v1/snapshots/1/activate")
        async def activate() -> None:
            raise Overloaded("Busy.", retry_after=17)

        @self.app.post("/v1/ingest")
        async def ingest(request: Request) -> None:
            self.asked = await request.json()
            raise Forbidden("Not that folder.")

    def client(self, key: str | None = None) -> AsyncClient:
        return AsyncClient("http://indexer", key, httpx.ASGITransport(self.app), within=True)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def send(
    told: Told, library: Any, serve: Callable[..., Any]
) -> Callable[..., Callable[..., httpx.Response]]:
    """Sends calls to a query service with that indexer behind it."""

    def build(key: str | None = None, **settings: Any) -> Callable[..., httpx.Response]:
        service = serve(library, indexer=told.client(key), api_key=key, **settings)
        return service.send

    return build


def test_of_the_headers_only_the_named_ones_go_on(send, told):
    given = {"Authorization": "Bearer k", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4"}
    answer = send("k")("GET", "/v1/jobs", headers=given | {"X-Request-ID": "mine"})
    assert Jobs.model_validate(answer.json()).jobs == [JOB]
    assert told.headers["authorization"] == "Bearer k"
    assert told.headers["x-request-id"] == "mine"
    assert not {"cookie", "x-forwarded-for"} & set(told.headers)


def test_without_the_key_nothing_reaches_the_indexer(send, told):
    assert send("k")("GET", "/v1/jobs").status_code == 401
    assert told.headers == {}


def test_an_upload_goes_on_in_chunks_with_its_type_and_length(send, told):
    async def body():
        for _ in range(5):
            yield b"12345678"

    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "40"}
    answer = send()("POST", "/v1/images", content=body(), headers=headers)
    assert answer.json() == {"items": [], "snapshot": 3}
    assert told.chunks == [b"12345678"] * 5
    assert told.headers["content-type"] == headers["Content-Type"]
    assert told.headers["content-length"] == "40"


def test_an_upload_over_the_limit_breaks_off(send):
    async def body():
        for _ in range(11):
            yield b" " * 100

    answer = send(max_body_bytes=1000)("POST", "/v1/images", content=body())
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:ise:problem:too-large")


def test_the_indexers_refusals_come_back_as_they_are(send):
    busy = send()("POST", "/v1/snapshots/1/activate")
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "17")
    assert busy.json()["detail"] == "Busy."
    refused = send()("POST", "/v1/ingest", json={"source": "/etc"})
    assert (refused.status_code, refused.json()["detail"]) == (403, "Not that folder.")
    assert refused.headers["content-type"] == "application/problem+json"


def test_a_body_that_does_not_fit_is_refused_here(send):
    answer = send()("POST", "/v1/index/build", json={"clusters": "many"})
    assert answer.status_code == 422
    assert "clusters" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/index"),
        ("GET", "/v1/jobs"),
        ("GET", "/v1/snapshots"),
        ("POST", "/v1/snapshots/1/activate"),
        ("DELETE", "/v1/images/a%2Fb"),
        ("POST", "/v1/images"),
    ],
)
def test_an_indexer_that_is_down_is_named(library, serve, method, path):
    nobody = AsyncClient("http://127.0.0.1:9", within=True)
    answer = serve(library, indexer=nobody).send(method, path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "http://127.0.0.1:9" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_a_page_of_another_address_changes_nothing(send, told, headers):
    answer = send()("POST", "/v1/images", content=b"x", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:ise:problem:foreign-page")
    assert told.headers == {}


def test_a_key_to_read_changes_nothing_by_way_of_this_service(send, told, tmp_path):
    (tmp_path / "keys").write_text("reader read reader-0123456789\n")
    ask = send("own", api_keys_file=tmp_path / "keys")
    headers = {"Authorization": "Bearer reader-0123456789"}
    for method, path in (
        ("POST", "/v1/images"),
        ("PATCH", "/v1/images/a"),
        ("DELETE", "/v1/images/a"),
        ("POST", "/v1/ingest"),
        ("POST", "/v1/snapshots/1/activate"),
        ("DELETE", "/v1/jobs/7"),
    ):
        answer = ask(method, path, headers=headers, content=b"{}")
        assert (answer.status_code, answer.json()["scope"]) == (403, "write"), path
    assert told.headers == {}
    assert ask("GET", "/v1/jobs", headers=headers).status_code == 200
    # As the caller, never as the service, which may do everything.
    assert told.headers["authorization"] == headers["Authorization"]


@pytest.mark.parametrize(
    ("settings", "confined"),
    [
        ({}, False),
        ({"api_key": "own"}, False),
        ({"host": "0.0.0.0", "api_key": "own"}, True),  # noqa: S104
        ({"host": "0.0.0.0", "allow_open": True}, True),  # noqa: S104
        ({"allowed_hosts": ["pictures.example"], "api_key": "own"}, True),
    ],
)
def test_where_others_reach_it_an_ingest_is_kept_to_the_roots(send, told, settings, confined):
    """The indexer behind it may listen on loopback, and let any folder be named there."""
    key = settings.pop("api_key", None)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    for asked in ({}, {"confined": False}, {"confined": True}):
        send(key, **settings)("POST", "/v1/ingest", json={"source": "/x"} | asked, headers=headers)
        assert told.asked["confined"] is (confined or asked.get("confined", False))
