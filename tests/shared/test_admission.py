"""Calls are let in or refused by their heads: over raw sockets, to a real server."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import APIRouter, FastAPI, Request, UploadFile

from shared.core.settings import ServiceSettings
from shared.web import running
from shared.web.admission import (
    FILE,
    FORM,
    IMAGES,
    JSON,
    PICTURES,
    SEARCH_FILE,
    SEARCHES,
    UPLOADS,
    admits,
)
from shared.web.body import BodyMiddleware
from shared.web.keys import Scope
from shared.web.patience import PatienceMiddleware
from shared.web.places import Place, Places
from shared.web.scoped import ScopedRoute, needs

MIB = 2**20
HEAD = b"POST /v1/%b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


class World:
    """A service whose searches read their body, and what its bodies brought."""

    def __init__(self, app: FastAPI, folder: Path) -> None:
        self.app = app
        self.gates = app.state.gates
        self.gates.folder = str(folder)
        self.places = Places(1, "searches", patience_s=0.05)
        self.gates.places |= {SEARCHES: self.places, UPLOADS: Places(4, "uploads")}
        self.port = 0
        routes = APIRouter(prefix="/v1", route_class=ScopedRoute)

        @routes.post("/search")
        @needs(Scope.READ)
        @admits(SEARCH_FILE)
        async def search(request: Request) -> int:
            return len(await request.body())

        @routes.post("/json")
        @needs(Scope.READ)
        @admits(JSON)
        async def read_json(request: Request) -> int:
            return len(await request.body())

        @routes.post("/memory")
        @needs(Scope.READ)
        @admits(FILE)
        async def in_memory(file: UploadFile) -> bool:
            return bool(file.file._rolled)

        @routes.post("/disk")
        @needs(Scope.READ)
        @admits(FORM)
        async def on_disk(files: list[UploadFile]) -> list[Any]:
            descriptors = {file.file.fileno() for file in files}
            where = Path(f"/proc/self/fd/{descriptors.pop()}").readlink()
            sums = [sum(await file.read()) for file in files]
            return [where.parent == folder, len(descriptors), sums, self.gates.spool.taken]

        app.include_router(routes)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, path: bytes, *lines: bytes, body: bytes = b"") -> bytes:
        """Everything that is answered up to the end of the connection."""
        with self.connect() as connection:
            connection.sendall(HEAD % path + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
            connection.sendall(body)
            return rest_of(connection)


def rest_of(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


def one_of(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """The next answer on a connection that stays."""
    received = connection.recv(65536)
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < size:
        body += connection.recv(65536)
    return read(head + b"\r\n\r\n" + body)


def given_back(taken: Callable[[], int]) -> bool:
    """Whether all is given back, which comes a moment after the answer was sent."""
    end = time.monotonic() + 60
    while taken() and time.monotonic() < end:
        time.sleep(0.01)
    return not taken()


def read(answer: bytes) -> tuple[int, dict[str, str], Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, json.loads(body)


@contextmanager
def serving(app: FastAPI, **settings: Any) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = running.server_config(app, ServiceSettings(_env_file=None, **settings), 0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def world(service, tmp_path) -> Iterator[World]:
    found = World(service(memory=64, spool=64), tmp_path)
    for one in found.app.user_middleware:
        if one.cls is BodyMiddleware:
            one.kwargs["grace_s"] = 0.3
    # As the services do, outside all others.
    found.app.add_middleware(PatienceMiddleware)
    with serving(found.app) as found.port:
        yield found


LARGE = b"Content-Length: %d" % (4 * MIB)


def test_a_call_without_a_place_is_refused_by_its_head(world):
    """Not a byte of its body was sent, so nothing can have waited for it."""
    with ExitStack() as held:
        held.callback(world.places.enter().leave)
        status, headers, body = read(world.ask(b"search", LARGE))
        assert (status, headers["retry-after"], headers["connection"]) == (429, "1", "close")
        assert body["detail"] == "1 searches are in hand already; try again in a second."
    assert given_back(lambda: world.places.in_hand)


def test_a_refused_client_is_not_told_to_continue(world):
    with ExitStack() as held:
        held.callback(world.places.enter().leave)
        status, headers, _ = read(world.ask(b"search", LARGE, b"Expect: 100-continue"))
        assert (status, headers["connection"]) == (429, "close")
    with world.connect() as connection:
        lines = b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(HEAD % b"search" + lines)
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert one_of(connection)[::2] == (200, 3)


def test_one_that_sends_its_body_all_the_same_reads_the_answer(world):
    with ExitStack() as held:
        held.callback(world.places.enter().leave)
        answer = world.ask(b"search", LARGE, body=bytes(4 * MIB))
        assert read(answer)[0] == 429


def test_the_rest_of_a_small_body_is_discarded_and_the_connection_stays(world):
    with world.connect() as connection:
        place = world.places.enter()
        connection.sendall(HEAD % b"search" + b"Content-Length: 9\r\n\r\nabc")
        assert one_of(connection)[0] == 429
        place.leave()
        connection.sendall(b"defghi" + HEAD % b"search" + b"Content-Length: 3\r\n\r\nabc")
        assert one_of(connection)[::2] == (200, 3)


def test_a_body_that_the_memory_has_no_room_for_is_refused_by_its_head(world):
    with world.gates.memory.grant(20 * MIB):
        status, headers, body = read(world.ask(b"memory", LARGE))
        assert (status, headers["retry-after"]) == (429, "1")
        assert "ISE_MEMORY" in body["detail"]
    status, _, body = read(world.ask(b"memory", b"Content-Length: %d" % (9 * MIB)))
    assert (status, "ISE_MEMORY" in body["detail"]) == (413, True)
    assert given_back(lambda: world.gates.memory.taken)


def test_a_body_that_announces_nothing_is_paid_for_as_it_arrives(world):
    chunk = b"100000\r\n" + bytes(MIB) + b"\r\n"
    with world.connect() as connection:
        connection.sendall(HEAD % b"search" + b"Transfer-Encoding: chunked\r\n\r\n")
        with suppress(OSError):
            for _ in range(256):
                connection.sendall(chunk)
        status, _, body = read(rest_of(connection))
    assert (status, "ISE_MEMORY" in body["detail"]) == (413, True)
    assert MIB < world.gates.memory.highest <= 64 * MIB


@pytest.mark.parametrize("begin", [b"", b"abc"])
def test_a_body_that_does_not_come_ends_and_gives_everything_back(world, begin):
    status, headers, body = read(world.ask(b"json", b"Content-Length: 1000000", body=begin))
    assert (status, headers["connection"]) == (408, "close")
    assert "KiB per second" in body["detail"]
    assert world.gates.memory.highest >= 1_000_000
    assert given_back(lambda: world.gates.memory.taken)


def test_a_body_that_comes_slowly_lends_its_place(world, monkeypatch):
    lent, lend = threading.Event(), Place.lend

    def noted(place: Place) -> None:
        lend(place)
        lent.set()

    monkeypatch.setattr(Place, "lend", noted)
    with world.connect() as slow:
        slow.sendall(HEAD % b"search" + b"Content-Length: 6\r\n\r\nabc")
        # Before, the call may not have come, so that nothing would be lent.
        assert lent.wait(60)
        answers = [
            read(world.ask(b"search", b"Content-Length: 1", b"Connection: close", body=b"x"))
        ]
        while answers[-1][0] == 429:
            answers.append(
                read(world.ask(b"search", b"Content-Length: 1", b"Connection: close", body=b"x"))
            )
        assert answers[-1][::2] == (200, 1)
        slow.sendall(b"def")
        assert one_of(slow)[::2] == (200, 6)
    assert given_back(lambda: world.places.in_hand)


def ask_form(world: World, path: bytes, name: bytes, *files: bytes) -> Any:
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="%b"; filename="f"\r\n\r\n%b\r\n'
        % (name, one)
        for one in files
    ]
    body = b"".join([*parts, b"--x--\r\n"])
    head = b"\r\n".join(
        (
            b"POST /v1/%b HTTP/1.1" % path,
            b"Host: localhost",
            b"Connection: close",
            b"Content-Type: multipart/form-data; boundary=x",
            b"Content-Length: %d\r\n\r\n" % len(body),
        )
    )
    with world.connect() as connection:
        connection.sendall(head + body)
        return read(rest_of(connection))


def test_files_of_forms_are_in_memory_or_in_the_folder_for_them(world):
    large = b"\1" * (4 * MIB)
    assert ask_form(world, b"memory", b"file", large)[::2] == (200, False)
    files = [large, b"", b"\2" * 1000, large]
    status, _, (is_there, others, sums, taken) = ask_form(world, b"disk", b"files", *files)
    # One descriptor for all of them.
    assert (status, is_there, others) == (200, True, 0)
    assert sums == [4 * MIB, 0, 2000, 4 * MIB]
    assert 8 * MIB < taken < 9 * MIB
    assert given_back(lambda: world.gates.spool.taken)


def test_files_of_forms_have_a_bound_of_their_own_on_disk(world):
    with world.gates.spool.grant(46 * MIB):
        status, headers, body = ask_form(world, b"disk", b"files", bytes(4 * MIB))
    assert (status, headers["retry-after"]) == (429, "1")
    assert "ISE_SPOOL" in body["detail"]


def test_the_number_of_pictures_is_told_by_a_header_or_estimated(service):
    gates = service().state.gates
    gates.places[PICTURES] = Places(256, "images", most_each=256)

    def taken(**headers: str) -> int:
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        with gates.enter(IMAGES, {"type": "http", "headers": raw}):
            return gates.places[PICTURES].in_hand

    assert taken(content_length="100") == 1
    assert taken(content_length=str(4 * MIB)) == 16
    assert taken(content_length=str(100 * MIB)) == 64
    assert taken(content_length=str(100 * MIB), x_ise_files="3") == 3
    assert taken(content_length="100", x_ise_files="99999") == 256
    assert taken(content_length="100", x_ise_files="-1") == 1
    assert gates.places[PICTURES].in_hand == 0


def test_a_connection_that_calls_again_too_early_waits_for_room_and_keeps_nobody_waiting(
    world, monkeypatch
):
    monkeypatch.setattr("shared.web.places._RETRY_AFTER", 600)
    body = bytes(MIB)
    call = HEAD % b"search" + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with world.connect() as early, world.connect() as first:
        place = world.places.enter()
        early.sendall(call)
        status, headers, _ = one_of(early)
        assert (status, headers["retry-after"], headers.get("connection")) == (429, "600", None)
        asking = threading.Thread(target=early.sendall, args=(call,))
        asking.start()
        # Who wasn't told yet is told at once, and not when the other may call again.
        first.sendall(call)
        assert one_of(first)[0] == 429
        early.settimeout(0.2)
        with pytest.raises(TimeoutError):
            early.recv(1)
        early.settimeout(60)
        place.leave()
        assert one_of(early)[::2] == (200, len(body))
        asking.join()
    assert given_back(lambda: world.places.in_hand)


def test_on_a_proxys_connection_only_the_caller_that_was_told_is_held(world, monkeypatch):
    monkeypatch.setattr("shared.web.places._RETRY_AFTER", 600)

    def sent(connection, address):
        head = HEAD % b"search" + b"X-Forwarded-For: %b\r\n" % address
        connection.sendall(head + b"Content-Length: 3\r\n\r\nabc")

    with ExitStack() as held:
        world.port = held.enter_context(serving(world.app, trusted_proxies=["127.0.0.1"]))
        proxy = held.enter_context(world.connect())
        held.callback(world.places.enter().leave)
        for address in (b"192.0.2.1", b"192.0.2.2", b"192.0.2.3"):
            # Each of them is told at once, whoever called before.
            sent(proxy, address)
            assert one_of(proxy)[0] == 429
        sent(proxy, b"192.0.2.2")
        proxy.settimeout(0.2)
        with pytest.raises(TimeoutError):
            proxy.recv(1)


def test_a_connection_that_calls_again_too_early_is_refused_at_the_time_that_it_was_told(
    world, monkeypatch
):
    told = 2
    monkeypatch.setattr("shared.web.places._RETRY_AFTER", told)
    with world.connect() as early, ExitStack() as held:
        held.callback(world.places.enter().leave)

        def refused(*lines: bytes) -> None:
            head = b"".join((HEAD % b"search", *lines, b"Content-Length: 3\r\n\r\n"))
            early.sendall(head + b"abc")
            status, headers, _ = one_of(early)
            assert (status, headers["retry-after"]) == (429, str(told))

        start = time.monotonic()
        refused()
        refused()
        # The first answer came later than its call, and what it tells counts from the answer on.
        assert told <= time.monotonic() - start < 60
        told = 600
        monkeypatch.setattr("shared.web.places._RETRY_AFTER", told)
        refused()
        start = time.monotonic()
        # A caller that waits for less isn't held for longer than it waits: for half of that.
        refused(b"Prefer: wait=1\r\n")
        assert 0.4 < time.monotonic() - start < told / 4
