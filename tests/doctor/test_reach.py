"""What `ise doctor` says of ports, services, keys and clocks, by what really is so."""

import asyncio
import http.server
import os
import socket
import threading
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from shared.core import version
from shared.core.settings import Settings
from shared.doctor import connectivity, ports
from shared.doctor.finding import Level
from shared.web.keys import Scope
from shared.web.scoped import ScopedRoute, needs
from tests.doctor.levels import worst
from tests.e2e.engine import REPOSITORY
from tests.shared.conftest import service as service
from tests.shared.conftest import serving as serving


class _Foreign(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def foreign() -> Iterator[int]:
    """The port of a program that is none of ours."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Foreign) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def of_query(url: str, **given: Any) -> tuple[Level, str]:
    settings = Settings(_env_file=None, query_url=url, indexer_port=9, embedder_port=9, **given)
    return worst(
        one for one in connectivity.findings(settings) if one.subject in ("query", "clock")
    )


def test_who_listens_on_a_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert (ports.listener(port) or "").endswith(f"({os.getpid()})")
    assert ports.listener(port) is None


def test_a_service_that_is_down_is_a_problem():
    level, told = of_query("http://127.0.0.1:9")
    assert (level, "ise up" in told) == (Level.PROBLEM, True)


def test_another_program_has_the_port(foreign):
    level, told = of_query(f"http://127.0.0.1:{foreign}")
    assert level is Level.PROBLEM
    assert "is none of our services" in told
    assert f"({os.getpid()})" in told


def test_a_service_that_is_not_ready(service, serving):
    with serving(service(not_ready=lambda: "The models are being loaded.")) as url:
        level, told = of_query(url)
    assert (level, "The models are being loaded." in told) == (Level.PROBLEM, True)


@pytest.mark.parametrize("route", ["/ready", "/v1/stats"])
def test_a_service_that_hangs_is_a_problem(with_key, serving, monkeypatch, route):
    monkeypatch.setattr(connectivity, "_TIMEOUT_S", 0.5)
    goes_on = threading.Event()

    @with_key.middleware("http")
    async def hang(request: Any, call_next: Any) -> Any:
        if request.url.path == route:
            await asyncio.to_thread(goes_on.wait, 60)
        return await call_next(request)

    with serving(with_key) as url:
        level, told = of_query(url, api_key="right")
        goes_on.set()
    assert (level, "timed out" in told) == (Level.PROBLEM, True)


@pytest.fixture
def with_key(service: Callable[..., Any]) -> Any:
    app = service(api_key="right")
    router = APIRouter(route_class=ScopedRoute)

    @router.get("/v1/stats")
    @needs(Scope.READ)
    def stats() -> dict[str, Any]:
        return {}

    app.include_router(router)
    return app


def test_a_key_that_is_refused(with_key, serving):
    with serving(with_key) as url:
        level, told = of_query(url, api_key="wrong")
        assert (level, "refuses the key" in told) == (Level.PROBLEM, True)
        assert of_query(url, api_key="right")[0] is Level.OK


def test_a_service_of_another_version(with_key, serving, monkeypatch):
    monkeypatch.setattr(connectivity, "VERSION", "9.9")
    with serving(with_key) as url:
        level, told = of_query(url, api_key="right")
    assert (level, f"has version {version.VERSION}, this command 9.9" in told) == (
        Level.WARNING,
        True,
    )


def test_a_clock_that_is_off():
    then = httpx.Response(200, headers={"Date": "Mon, 01 Jan 2024 00:00:00 GMT"})
    [found] = connectivity._clock("query", then)
    assert found.level is Level.WARNING
    assert "seconds off" in found.sentence


def test_the_version_is_that_of_the_package():
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        read = tomllib.load(file)
    assert read["project"]["dynamic"] == ["version"]
    attribute = read["tool"]["setuptools"]["dynamic"]["version"]["attr"]
    assert attribute == f"{version.__name__}.VERSION"
