"""Searches past the limit are turned away at once, and the others don't notice."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from services.query.admission import Admission, AdmissionMiddleware, is_search
from shared.core.errors import Overloaded

LIMIT = 3


class Service:
    """Searches that take until they are let go."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.go = asyncio.Event()
        self.begun = 0
        self.most = 0
        self.app.add_api_route("/v1/search", self._search, methods=["POST"])
        self.app.add_api_route("/v1/stats", lambda: {})
        self.app.add_middleware(AdmissionMiddleware, admission=Admission(LIMIT))

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
        return httpx.AsyncClient(transport=transport, base_url="http://query")


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
        self.app = FastAPI()
        self.come, self.go = asyncio.Event(), asyncio.Event()
        self.waiting = self.searching = 0
        self.app.add_api_route("/v1/search", self._search, methods=["POST"])
        self.app.add_exception_handler(Overloaded, self._busy)
        self.admission = Admission(LIMIT)
        self.app.add_middleware(AdmissionMiddleware, admission=self.admission)

    async def _search(self, wait: bool = False) -> dict[str, str]:
        if wait:
            with self.admission.lent():
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

    @staticmethod
    async def _busy(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Overloaded)
        return JSONResponse({"detail": error.detail}, 429)


def test_whoever_waits_for_its_write_keeps_nobody_out():
    async def ask() -> None:
        service = Waits()
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://query") as http:

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


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/v1/search", True),
        ("/v1/search/image", True),
        ("/v1/search/batch", True),
        ("/v1/images/photos/7/similar", True),
        ("/v1/images/7/why.png", True),
        ("/v1/duplicates", True),
        ("/v1/images/7", False),
        ("/v1/images/7/thumbnail", False),
        ("/v1/tags", False),
        ("/ready", False),
        ("/", False),
    ],
)
def test_what_counts_as_a_search(path, counts):
    assert is_search(path) is counts
