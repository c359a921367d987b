"""Several embedders, one of which hangs."""

import asyncio

import httpx
import pytest

from services.query.embedders import Embedders
from shared.clients.transport import AsyncClient, Call
from shared.contracts.embedder import PROFILE_HEADER
from shared.core import deadline
from shared.core.errors import Unavailable

ASK: Call[int] = Call("GET", "/", lambda response: response.status_code)


async def hang(_: httpx.Request) -> httpx.Response:
    await asyncio.sleep(3600)
    return httpx.Response(200)


async def answer(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200)


def embedders(*ways) -> Embedders:
    clients = [
        AsyncClient(f"http://{way.__name__}", None, httpx.MockTransport(way), within=True)
        for way in ways
    ]
    return Embedders(clients)


def test_one_that_hangs_leaves_the_other_its_share_of_the_time():
    async def ask() -> int:
        with deadline.within(0.5):
            return await embedders(hang, answer).send(ASK)

    assert asyncio.run(ask()) == 200


def test_where_all_hang_the_deadline_holds_and_one_is_named():
    async def ask() -> str | None:
        both = embedders(hang, hang)
        with deadline.within(1.2), pytest.raises(Unavailable, match="in time"):
            await both.send(ASK)
        return both.away

    assert "http://hang" in str(asyncio.run(ask()))


def test_a_caller_who_would_not_wait_says_nothing_of_an_embedder():
    async def ask() -> str | None:
        one = embedders(hang)
        with deadline.within(0.05), pytest.raises(Unavailable, match="in time"):
            await one.send(ASK)
        return one.away

    assert asyncio.run(ask()) is None


def test_the_profile_that_fitted_last_is_asked_first():
    asked: list[str] = []
    has = {"lite"}

    async def by_profile(request: httpx.Request) -> httpx.Response:
        profile = request.headers.get(PROFILE_HEADER, "own")
        asked.append(profile)
        return httpx.Response(200 if profile == "own" or profile in has else 404, text=profile)

    name: Call[str] = Call("GET", "/", lambda response: response.text)

    async def ask() -> None:
        client = AsyncClient("http://one", None, httpx.MockTransport(by_profile), within=True)
        profile = "lite"
        both = Embedders([client], lambda: profile)
        for _ in range(3):
            assert await both.send(name, lambda found: found == "lite") == "lite"
        assert asked == ["own", "lite", "lite", "lite"]
        # It has gone, and so its answer is that of the models of the settings.
        has.clear()
        asked.clear()
        assert await both.send(name, lambda found: found == "lite") == "own"
        assert asked == ["lite", "own"]
        # The index is of the own models now.
        asked.clear()
        profile = "mini"
        assert await both.send(name, lambda found: found == "own") == "own"
        assert asked == ["own"]

    asyncio.run(ask())
