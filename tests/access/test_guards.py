"""Rights are granted, never assumed: without a part of the access checks, nothing is answered."""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from shared.core.errors import Misconfigured
from shared.core.settings import ServiceSettings
from shared.web.admission import JSON, admits
from shared.web.keys import Scope
from shared.web.rate_limit import Rate
from shared.web.scoped import ScopedRoute, needs
from shared.web.service import create_service

KEY = "the-services-own"
GUARDS = {
    "BodyMiddleware",
    "CallerMiddleware",
    "HostMiddleware",
    "KeyMiddleware",
    "OriginMiddleware",
    "RateLimitMiddleware",
}


class World:
    """A service with a key, and whether one of its routes was reached."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        settings = ServiceSettings(_env_file=None, api_key=KEY)
        rate = Rate.of(1000, 1000)
        self.app = create_service(
            "nothing", "Serves nothing.", settings, nothing, lambda: None, rate=rate
        )
        router = APIRouter(prefix="/v1", route_class=ScopedRoute)

        @router.get("/thing")
        @needs(Scope.READ)
        def read() -> None:
            self.reached.append("read")

        @router.post("/thing")
        @needs(Scope.WRITE)
        @admits(JSON)
        def write() -> None:
            self.reached.append("write")

        self.app.include_router(router)

    def without(self, name: str) -> FastAPI:
        """The service as it is if a middleware was forgotten."""
        kept = [one for one in self.app.user_middleware if one.cls.__name__ != name]
        assert len(kept) == len(self.app.user_middleware) - 1
        self.app.user_middleware[:] = kept
        return self.app


@asynccontextmanager
async def nothing(_: FastAPI) -> Iterator[None]:
    yield


def names() -> list[str]:
    return sorted(one.cls.__name__ for one in World().app.user_middleware)


def asked(app: FastAPI, method: str, **headers: str) -> int:
    async def ask() -> int:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return (await http.request(method, "/v1/thing", headers=headers)).status_code

    return asyncio.run(ask())


def test_the_guards_are_there():
    assert set(names()) >= GUARDS
    world = World()
    own = {"authorization": f"Bearer {KEY}"}
    assert [asked(world.app, method, **own) for method in ("GET", "POST")] == [200, 200]
    assert world.reached == ["read", "write"]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_any_one_middleware_nobody_gets_a_right(name, method):
    """Neither one without a key, nor a foreign page, nor one that calls it by a foreign name."""
    own = {"authorization": f"Bearer {KEY}"}
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        own | {"origin": "https://elsewhere.example"},
        own | {"host": "elsewhere.example"},
    ):
        world = World()
        status = asked(world.without(name), method, **headers)
        assert status in (401, 403, 500), headers
        assert world.reached == []


@pytest.mark.parametrize("name", sorted(GUARDS))
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_guard_not_even_the_services_own_key_is_answered(name, method):
    world = World()
    status = asked(world.without(name), method, authorization=f"Bearer {KEY}")
    assert status in (401, 403, 500)
    assert world.reached == []


def test_a_service_with_a_route_that_declares_nothing_does_not_start():
    async def start(app: FastAPI) -> None:
        async with app.router.lifespan_context(app):
            pass

    world = World()
    asyncio.run(start(world.app))
    world.app.get("/v1/forgotten")(lambda: "secrets")
    with pytest.raises(Misconfigured, match="/v1/forgotten declares no scope"):
        asyncio.run(start(world.app))
