"""One client can't take all places: over raw sockets, to a real server."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request

from shared.core.budget import MIB, Budget
from shared.core.errors import Overloaded, ShareUsed
from shared.web.admission import FILE, SEARCH_FILE, SEARCHES, SharedBudget, admits
from shared.web.keys import Scope
from shared.web.places import Places
from shared.web.scoped import ScopedRoute, needs
from shared.web.shares import CONTENDING_S, Shares
from tests.shared.test_admission import read, rest_of, serving

LIMIT = 8
GREEDY, OTHER = b"10.0.0.1", b"10.0.0.2"
KEYS = {GREEDY: b"a-key-of-the-greedy", OTHER: b"a-key-of-another-one"}


class World:
    """A service whose searches last until they are let go, behind a proxy."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.places = Places(LIMIT, "searches")
        app.state.gates.places[SEARCHES] = self.places
        self.begun = threading.Semaphore(0)
        self.port = 0
        self._go = threading.Event()
        routes = APIRouter(prefix="/v1", route_class=ScopedRoute)

        @routes.post("/search")
        @needs(Scope.READ)
        @admits(SEARCH_FILE)
        def search() -> str:
            self.begun.release()
            self._go.wait(60)
            return "done"

        @routes.post("/search/{name}")
        @needs(Scope.READ)
        @admits(SEARCH_FILE)
        def named(name: str) -> str:
            return name

        @routes.post("/file")
        @needs(Scope.READ)
        @admits(FILE)
        async def file(request: Request) -> int:
            return len(await request.body())

        app.include_router(routes)

    def begin(self, client: bytes, path: bytes = b"/v1/search", key: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        lines = [b"POST %b HTTP/1.1" % path, b"Host: localhost", b"Content-Length: 0"]
        lines += [b"X-Forwarded-For: %b" % client, b"Connection: close"]
        lines += [b"Authorization: Bearer %b" % key] if key else []
        connection.sendall(b"\r\n".join([*lines, b"", b""]))
        return connection

    def ask(self, client: bytes, path: bytes = b"/v1/search", key: bytes = b"") -> Any:
        with self.begin(client, path, key) as connection:
            return read(rest_of(connection))

    def go(self) -> None:
        self._go.set()


@pytest.fixture
def world(service: Callable[..., FastAPI]) -> Iterator[World]:
    found = World(service())
    with serving(found.app, trusted_proxies=["127.0.0.1"]) as found.port:
        yield found
        found.go()


def test_one_client_takes_all_places_only_while_nobody_else_wants_one(world: World) -> None:
    with ExitStack() as stack:
        greedy = [stack.enter_context(world.begin(GREEDY)) for _ in range(LIMIT)]
        for _ in greedy:
            assert world.begun.acquire(timeout=60)
        # It has all: everybody is refused by the head, whoever it is.
        status, headers, problem = world.ask(OTHER)
        assert (status, headers["retry-after"]) == (429, "1")
        assert problem["type"] == "urn:ise:problem:overloaded"
        assert (problem["status"], problem["instance"]) == (429, "/v1/search")
        assert problem["request_id"] == headers["x-request-id"]
        assert headers["x-content-type-options"] == "nosniff"
        world.go()
        assert [read(rest_of(one))[0] for one in greedy] == [200] * LIMIT


def test_while_another_was_refused_a_client_has_its_even_share_and_is_told_so(
    world: World,
) -> None:
    with ExitStack() as stack:
        greedy = [stack.enter_context(world.begin(GREEDY)) for _ in range(LIMIT // 2)]
        for _ in greedy:
            assert world.begun.acquire(timeout=60)
        world.places.shares.refused("address 10.0.0.2")
        status, headers, problem = world.ask(GREEDY)
        assert (status, headers["retry-after"]) == (429, "1")
        assert problem["type"] == "urn:ise:problem:share-used"
        assert problem["detail"].startswith("4 searches of yours are in hand, and others wait")
        # The other one comes in.
        other = stack.enter_context(world.begin(OTHER))
        assert world.begun.acquire(timeout=60)
        world.go()
        assert read(rest_of(other))[0] == 200


def test_a_call_without_a_key_is_told_so_though_all_places_are_taken(
    service: Callable[..., FastAPI],
) -> None:
    world = World(service(api_key=KEYS[GREEDY].decode()))
    with serving(world.app) as world.port, ExitStack() as stack:
        for _ in range(LIMIT):
            stack.enter_context(world.begin(GREEDY, key=KEYS[GREEDY]))
            assert world.begun.acquire(timeout=60)
        assert world.ask(OTHER)[0] == 401
        assert world.ask(OTHER, key=b"a-key-that-is-wrong")[0] == 401
        assert world.ask(OTHER, key=KEYS[GREEDY])[0] == 429
        # Routes with a name in their path are refused as well.
        assert world.ask(OTHER, b"/v1/search/x", key=KEYS[GREEDY])[0] == 429
        metrics = world.app.state.metrics
        labels = (metrics.service, "POST", "/v1/search", "429")
        refused = metrics.requests.labels(*labels)
        # It is counted a moment after the answer was sent.
        end = time.monotonic() + 60
        while not refused._value.get() and time.monotonic() < end:
            time.sleep(0.01)
        assert refused._value.get() == 1
        world.go()


def test_memory_is_shared_evenly_while_others_wait() -> None:
    budget = Budget(64 * MIB, "ISE_MEMORY")
    shared = SharedBudget(budget)
    with ExitStack() as stack:
        # Large grants take three quarters of the half for grants.
        for _ in range(6):
            stack.enter_context(shared.grant("greedy", 4 * MIB))
        with pytest.raises(Overloaded), shared.grant("other", 4 * MIB):
            pass
        stack.pop_all().close()
        for _ in range(3):
            stack.enter_context(shared.grant("greedy", 4 * MIB))
        with pytest.raises(ShareUsed, match="12 MiB"), shared.grant("greedy", 4 * MIB):
            pass
        # What takes next to nothing isn't refused for it.
        stack.enter_context(shared.grant("greedy", 16 * 1024))
        for _ in range(2):
            stack.enter_context(shared.grant("other", 4 * MIB))
    assert budget.taken == 0


def test_a_body_that_grows_takes_no_more_than_its_clients_share() -> None:
    shared = SharedBudget(Budget(64 * MIB, "ISE_MEMORY"))
    with ExitStack() as stack:
        first = stack.enter_context(shared.grant("greedy", 16 * 1024))
        # One alone may take all, whoever waits.
        shared.grow("greedy", first, 8 * MIB)
        second = stack.enter_context(shared.grant("greedy", 16 * 1024))
        shared.grow("greedy", second, 4 * MIB)
        with pytest.raises(Overloaded), shared.grant("other", 20 * MIB):
            pass
        with pytest.raises(ShareUsed):
            shared.grow("greedy", second, 4 * MIB)
        other = stack.enter_context(shared.grant("other", 16 * 1024))
        shared.grow("other", other, 8 * MIB)
    assert shared.budget.taken == 0


def test_shares_are_even_among_those_that_were_refused_and_are_still_there() -> None:
    now = [0.0]
    shares = Shares(lambda: now[0])
    assert shares.share("one", 12) == 12
    shares.refused("one")
    assert shares.share("one", 12) == 12
    shares.refused("two")
    shares.refused("three", is_bulk=True)
    # Bulk work takes nothing from what is interactive.
    assert (shares.share("one", 12), shares.share("one", 12, is_bulk=True)) == (6, 4)
    assert shares.share("four", 12) == 4
    now[0] = CONTENDING_S - 1
    shares.seen("two")
    now[0] = CONTENDING_S + 1
    assert shares.share("one", 12, is_bulk=True) == 6
    now[0] = 3 * CONTENDING_S
    assert shares.share("one", 12, is_bulk=True) == 12


def test_bulk_work_of_many_clients_leaves_room_and_counts_what_it_holds() -> None:
    places = Places(8, "images", most_each=8)
    first = places.enter(4, client="one")
    first.weigh(6)
    assert places.shares.held("one") == 6
    with pytest.raises(Overloaded):
        places.enter(1, is_bulk=True, client="two")
    first.lend()
    assert (places.shares.held("one"), places.in_hand) == (0, 0)
    first.take_again()
    first.leave()
    first.leave()
    assert (places.shares.held("one"), places.in_hand) == (0, 0)


def test_one_client_has_no_more_than_its_most_though_nobody_else_wants_any():
    places = Places(8, "files", most_of_one=3)
    held = [places.enter(client="greedy") for _ in range(3)]
    with pytest.raises(Overloaded, match="3 files are in hand"):
        places.enter(client="greedy")
    places.enter(client="other").leave()
    held[0].leave()
    places.enter(client="greedy")
