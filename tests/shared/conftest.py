"""Fixtures of the tests of `shared`: a service of no use, asked over ASGI, and new folders."""

import asyncio
import itertools
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import settings

from shared.core.settings import ServiceSettings
from shared.web.service import create_service

settings.register_profile("shared", deadline=None, max_examples=40)
settings.load_profile("shared")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is set where the tests run stays out of them."""
    for name in [name for name in os.environ if name.startswith("ISE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Gives a new empty folder at each call, for tests that run many examples."""
    root, count = tmp_path_factory.mktemp("fresh"), itertools.count()

    def make() -> Path:
        folder = root / str(next(count))
        folder.mkdir()
        return folder

    return make


@pytest.fixture
def service() -> Callable[..., FastAPI]:
    """Builds a real service: `service(api_key="k", not_ready=lambda: "why")`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    def build(
        not_ready: Callable[[], str | None] = lambda: None,
        open_paths: tuple[str, ...] = (),
        asks: tuple[str, ...] | dict[str, str] = (),
        **settings: Any,
    ) -> FastAPI:
        work = asks if isinstance(asks, dict) else dict.fromkeys(asks, "Work")
        given = ServiceSettings(_env_file=None, **settings)
        return create_service(
            "nothing", "Serves nothing.", given, lifespan, not_ready, open_paths, asks=work
        )

    return build


@pytest.fixture(scope="session")
def serving() -> Callable[[FastAPI], AbstractContextManager[str]]:
    """Runs an app on a free port within a block, and gives its address."""

    @contextmanager
    def serve(app: FastAPI) -> Iterator[str]:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            listener.close()

    return serve


@pytest.fixture
def ask() -> Callable[..., httpx.Response]:
    """Asks an app over ASGI: `ask(app, "GET", "/health")`."""

    def send(app: FastAPI, method: str, path: str, **request: Any) -> httpx.Response:
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.request(method, path, **request)

        return asyncio.run(answer())

    return send
