"""Searches past the limit are turned away at once, and the others don't notice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import iter_route_contexts

from services.query.app import create_app
from services.query.config import QuerySettings
from shared.core.settings import ServiceSettings
from shared.web.admission import SEARCH, SEARCHES, admits
from shared.web.keys import Scope
from shared.web.places import Places
from shared.web.scoped import ScopedRoute, needs
from shared.web.service import create_service

LIMIT = 3
SEARCHING = {
    "search_by_image",
    "search_by_term",
    "search_images",
    "search_batch",
    "find_similar_images",
    "list_duplicates",
    "list_suspicious_tags",
    "suggest_tags",
    "suggest_tags_for_upload",
    "explain_match",
    "draw_match",
    "explain_upload",
    "draw_upload",
}


def service_of(routes: APIRouter, places: Places) -> FastAPI:
    """A service with these routes and places."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    settings = ServiceSettings(_env_file=None)
    app = create_service("nothing", "Serves nothing.", settings, lifespan, lambda: None)
    app.state.gates.places[SEARCHES] = places
    app.include_router(routes)
    return app


class Service:
    """Searches that take until they are let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0
        self.most = 0
        routes = APIRouter(prefix="/v1", route_class=ScopedRoute)

        @routes.post("/search")
        @needs(Scope.READ)
        @admits(SEARCH)
        async def search(request: Request) -> dict[str, str]:
            return await self._search(request)

        @routes.get("/stats")
        @needs(Scope.READ)
        def stats() -> dict[str, str]:
            return {}

        # Places are lent at once, so that no test waits.
        self.app = service_of(routes, Places(LIMIT, "searches", patience_s=0))

    async def _search(self, request: Request) -> dict[str, str]:
        self.begun += 1
        self.most = max(self.most, self.begun)
        try:
            body = await request.body()
            await self.go.wait()
            if body == b"bad":
                raise RuntimeError("broken")
            return {}
        finally:
            self.begun -= 1

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def test_of_many_at_once_as_many_as_allowed_are_answered_and_the_rest_told_to_come_back():
    async def ask() -> None:
        service = Service()
        async with service.client() as http:
            first = [asyncio.create_task(http.post("/v1/search")) for _ in range(LIMIT)]
            while service.begun < LIMIT:
                await asyncio.sleep(0)
            # Nobody lets the first ones go: an answer comes without waiting for them.
            refused = [await http.post("/v1/search") for _ in range(10)]
            assert {answer.status_code for answer in refused} == {429}
            assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
            assert refused[0].json()["detail"].startswith("3 searches are in hand already")
            assert (await http.get("/v1/stats")).status_code == 200
            service.go.set()
            assert [(await one).status_code for one in first] == [200] * LIMIT
            assert (await http.post("/v1/search")).status_code == 200
            assert service.most == LIMIT

    asyncio.run(ask())


def test_a_search_that_fails_or_whose_caller_leaves_gives_its_place_back():
    async def ask() -> None:
        service = Service()
        async with service.client() as http:
            left = [asyncio.create_task(http.post("/v1/search")) for _ in range(LIMIT)]
            while service.begun < LIMIT:
                await asyncio.sleep(0)
            for task in left:
                task.cancel()
            await asyncio.wait(left)
            service.go.set()
            for _ in range(2 * LIMIT):
                assert (await http.post("/v1/search", content=b"bad")).status_code == 500
            assert (await http.post("/v1/search")).status_code == 200

    asyncio.run(ask())


def test_a_body_that_comes_slowly_keeps_nobody_out():
    async def ask() -> None:
        service = Service()
        rest = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b"first part"
            await rest.wait()
            yield b"the rest"

        async with service.client() as http:
            senders = [
                asyncio.create_task(http.post("/v1/search", content=slow()))
                for _ in range(LIMIT + 2)
            ]
            while service.begun < LIMIT + 2:
                await asyncio.sleep(0)
            others = [asyncio.create_task(http.post("/v1/search")) for _ in range(LIMIT - 1)]
            while service.begun < 2 * LIMIT + 1:
                await asyncio.sleep(0)
            # One place is left, and all the senders' bodies end now.
            rest.set()
            while service.begun > LIMIT:
                await asyncio.sleep(0)
            service.go.set()
            assert [(await one).status_code for one in others] == [200] * (LIMIT - 1)
            answers = sorted(await asyncio.gather(*senders), key=lambda one: one.status_code)
            assert [one.status_code for one in answers] == [200] + [429] * (LIMIT + 1)
            assert answers[-1].headers["Retry-After"] == "1"
            assert "3 searches are in hand already" in answers[-1].json()["detail"]

    asyncio.run(ask())


class Waits:
    """Searches that wait before they begin, with their places lent."""

    def __init__(self) -> None:
        self.come, self.go = asyncio.Event(), asyncio.Event()
        self.waiting = self.searching = 0
        self.places = Places(LIMIT, "searches", patience_s=0)
        routes = APIRouter(prefix="/v1", route_class=ScopedRoute)

        @routes.post("/search")
        @needs(Scope.READ)
        @admits(SEARCH)
        async def search(wait: bool = False) -> dict[str, str]:
            return await self._search(wait)

        self.app = service_of(routes, self.places)

    async def _search(self, wait: bool) -> dict[str, str]:
        if wait:
            with self.places.lent():
                self.waiting += 1
                try:
                    await self.come.wait()
                finally:
                    self.waiting -= 1
        self.searching += 1
        try:
            await self.go.wait()
        finally:
            self.searching -= 1
        return {}


def test_whoever_waits_for_its_write_keeps_nobody_out():
    async def ask() -> None:
        service = Waits()
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:

            def search(wait: bool) -> asyncio.Task[httpx.Response]:
                return asyncio.create_task(http.post("/v1/search", params={"wait": wait}))

            waiting = [search(True) for _ in range(LIMIT)]
            while service.waiting < LIMIT:
                await asyncio.sleep(0)
            refused = await search(True)
            assert (refused.status_code, service.searching) == (429, 0)
            assert refused.json()["detail"].startswith("3 searches wait for their `min_version`")
            others = [search(False) for _ in range(LIMIT - 1)]
            while service.searching < LIMIT - 1:
                await asyncio.sleep(0)
            # One whose caller leaves gives nothing back twice.
            waiting.pop().cancel()
            # One place is left for two.
            service.come.set()
            while service.searching < LIMIT or service.waiting:
                await asyncio.sleep(0)
            service.go.set()
            assert [(await one).status_code for one in others] == [200] * (LIMIT - 1)
            answers = sorted([(await one).status_code for one in waiting])
            assert answers == [200, 429]
            after = [search(False) for _ in range(LIMIT)]
            assert [(await one).status_code for one in after] == [200] * LIMIT

    asyncio.run(ask())


def test_every_search_takes_a_place(tmp_path):
    app = create_app(QuerySettings(_env_file=None, data_dir=tmp_path))
    routes = (context.original_route for context in iter_route_contexts(app.routes))
    taking = {
        route.name: route.admission.places
        for route in routes
        if isinstance(route, ScopedRoute) and route.admission.places
    }
    assert taking == dict.fromkeys(SEARCHING, "searches") | {"add_images": "uploads"}


def test_a_batch_leaves_half_of_the_places_to_others():
    places = Places(8, "searches", most_each=4)
    batch = places.enter(100)
    assert places.in_hand == 4
    others = [places.enter() for _ in range(4)]
    batch.weigh(2)
    assert places.in_hand == 6
    for place in (batch, *others):
        place.leave()
        place.leave()
    assert places.in_hand == 0
