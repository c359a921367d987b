"""Deadlines that are passed on, and further tries of what may be sent again."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from shared.clients.transport import AsyncClient, Call, Client
from shared.core import deadline, errors
from shared.web.patience import PatienceMiddleware

GET: Call[httpx.Response] = Call("GET", "/", lambda response: response)
EMBED: Call[httpx.Response] = Call("POST", "/", lambda response: response, repeatable=True)
WRITE: Call[httpx.Response] = Call("POST", "/", lambda response: response)


class Peer:
    """One that breaks off the first `broken` requests."""

    def __init__(self, broken: int = 0, error: type[httpx.TransportError] = httpx.ReadError):
        self.requests: list[httpx.Request] = []
        self._broken = broken
        self._error = error

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if len(self.requests) <= self._broken:
            raise self._error("broken off")
        return httpx.Response(200)

    def send(self, call: Call[httpx.Response], asynchronously: bool, within: bool = True) -> None:
        transport = httpx.MockTransport(self.answer)
        if asynchronously:
            asyncio.run(AsyncClient("http://peer", None, transport, within).send(call))
        else:
            Client("http://peer", None, transport, within).send(call)


both = pytest.mark.parametrize("asynchronously", [False, True])


@both
@pytest.mark.parametrize("call", [GET, EMBED])
@pytest.mark.parametrize("error", [httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError])
def test_what_changes_nothing_is_sent_again_where_it_broke_off(asynchronously, call, error):
    peer = Peer(broken=2, error=error)
    peer.send(call, asynchronously)
    assert len(peer.requests) == 3
    gone = Peer(broken=99, error=error)
    with pytest.raises(errors.Unavailable) as raised:
        gone.send(call, asynchronously)
    assert (len(gone.requests), raised.value.extra) == (
        3,
        {"retry_after": 5, "peer_away": True},
    )


@both
def test_a_change_is_sent_once(asynchronously):
    peer = Peer(broken=1)
    with pytest.raises(errors.Unavailable):
        peer.send(WRITE, asynchronously)
    assert len(peer.requests) == 1


@both
def test_what_took_too_long_is_not_sent_again_nor_what_a_person_asks(asynchronously):
    slow = Peer(broken=1, error=httpx.ReadTimeout)
    with pytest.raises(errors.Unavailable, match="in time"):
        slow.send(GET, asynchronously)
    asked = Peer(broken=1)
    with pytest.raises(errors.Unavailable):
        asked.send(GET, asynchronously, within=False)
    assert len(slow.requests) == len(asked.requests) == 1


@both
def test_a_deadline_is_told_to_whom_is_asked_but_a_change_has_its_own_time(asynchronously):
    peer = Peer()
    with deadline.within(7):
        for call in (GET, EMBED, WRITE):
            peer.send(call, asynchronously)
    told = [request.headers.get("Prefer") for request in peer.requests]
    assert told == ["wait=7", "wait=7", None]
    waits = [request.extensions["timeout"]["read"] for request in peer.requests]
    assert waits[0] <= 7
    assert waits[2] == WRITE.timeout_s


def test_one_that_answers_bit_by_bit_is_given_up_at_the_deadline():
    async def drip(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3600)
        return httpx.Response(200)

    async def ask() -> None:
        client = AsyncClient("http://peer", None, httpx.MockTransport(drip), within=True)
        with deadline.within(0.05):
            await client.send(GET)

    with pytest.raises(errors.Unavailable, match="did not answer in time"):
        asyncio.run(ask())


def test_an_inner_deadline_never_gives_more_time():
    assert deadline.remaining() is None
    with deadline.within(5), deadline.within(100), deadline.within(None):
        left = deadline.remaining()
        assert left is not None
        assert left <= 5
    assert deadline.remaining() is None


@pytest.mark.parametrize(
    ("told", "own", "least", "most"),
    [
        ("wait=3", None, 2, 3),
        ("respond-async, Wait = 3; x=1", None, 2, 3),
        ("wait=30", 2.0, 1, 2),
        (None, 2.0, 1, 2),
        ("wait=soon, awaits=9", None, None, None),
        (None, None, None, None),
    ],
)
def test_the_deadline_of_a_request_is_its_callers_or_the_services_own(told, own, least, most):
    app = FastAPI()
    app.add_middleware(PatienceMiddleware, seconds=own)

    @app.get("/")
    def left() -> float | None:
        return deadline.remaining()

    found = TestClient(app).get("/", headers={"Prefer": told} if told else {}).json()
    assert found is least is None or least < found <= most


def test_a_client_says_who_gave_no_answer_last():
    peer = Peer(broken=3)

    async def ask() -> list[str | None]:
        client = AsyncClient("http://peer", None, httpx.MockTransport(peer.answer), within=True)
        seen = [client.away]
        with pytest.raises(errors.Unavailable):
            await client.send(GET)
        seen.append(client.away)
        await client.send(GET)
        return [*seen, client.away]

    before, after, now = asyncio.run(ask())
    assert (before, now) == (None, None)
    assert "http://peer" in str(after)
