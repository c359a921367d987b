"""Which replica is asked, which is dropped, and what is sent to another."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from shared.clients.replicas import Replicas
from shared.clients.transport import AsyncClient, Call, Client
from shared.core import deadline
from shared.core.errors import Unavailable

READ: Call[str] = Call("GET", "/", lambda answer: answer.text)
CHANGE: Call[str] = Call("POST", "/", lambda answer: answer.text, content=b"{}")
NOBODY = "http://127.0.0.1:9"


class Server(ThreadingHTTPServer):
    """Answers with its own address; with `status` as told; breaks off at 0, hangs below."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.asked = 0
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if server.status < 0:
            server.ended.wait(30)
        if server.status <= 0:
            self.close_connection = True
            return
        body = self.headers["Host"].encode()
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def two() -> Iterator[tuple[Server, Server]]:
    with serving() as one, serving() as other:
        yield one, other


def sync_send(url: str, call: Call[str], times: int, within: bool) -> list[str]:
    with Client(url, within=within) as client:
        return [client.send(call) for _ in range(times)]


def async_send(url: str, call: Call[str], times: int, within: bool) -> list[str]:
    async def send() -> list[str]:
        client = AsyncClient(url, within=within)
        try:
            return [await client.send(call) for _ in range(times)]
        finally:
            await client.close()

    return asyncio.run(send())


Send = Callable[[str, Call[str], int, bool], list[str]]


@pytest.fixture(params=[sync_send, async_send])
def send(request: pytest.FixtureRequest) -> Send:
    chosen: Send = request.param
    return chosen


def test_requests_are_spread_and_each_goes_under_the_name_of_its_replica(send, two):
    answered = send(f"{two[0].url}|{two[1].url}", READ, 40, False)
    assert {f"http://{host}" for host in answered} == {one.url for one in two}


def test_what_reaches_nobody_goes_to_another_even_a_change(send, two):
    assert len(send(f"{NOBODY}|{two[0].url}", CHANGE, 5, False)) == 5
    assert two[0].asked == 5


def test_between_services_a_503_is_asked_of_another_where_nothing_changes(send, two):
    two[0].status = 503
    assert len(send(f"{two[0].url}|{two[1].url}", READ, 20, True)) == 20
    # Dropped at the first, and hardly probed.
    assert two[0].asked < 10


def test_a_change_that_was_refused_or_broke_off_is_never_sent_again(send, two):
    for status in (503, 0):
        for one in two:
            one.status = status
            one.asked = 0
        with pytest.raises(Unavailable):
            send(f"{two[0].url}|{two[1].url}", CHANGE, 1, True)
        assert two[0].asked + two[1].asked == 1


def test_what_changes_nothing_and_broke_off_is_sent_to_another(send, two):
    two[0].status = 0
    assert len(send(f"{two[0].url}|{two[1].url}", READ, 20, True)) == 20
    assert two[0].asked < 10


def sync_failures(url: str, seconds: float, times: int) -> int:
    failed = 0
    with Client(url) as client:
        for _ in range(times):
            with deadline.within(seconds):
                try:
                    client.send(READ)
                except Unavailable:
                    failed += 1
    return failed


def async_failures(url: str, seconds: float, times: int) -> int:
    async def send() -> int:
        failed = 0
        client = AsyncClient(url)
        for _ in range(times):
            with deadline.within(seconds):
                try:
                    await client.send(READ)
                except Unavailable:
                    failed += 1
        await client.close()
        return failed

    return asyncio.run(send())


@pytest.mark.parametrize("failures", [sync_failures, async_failures])
def test_one_that_hangs_is_dropped_but_not_for_who_would_hardly_wait(failures, two):
    two[0].status = -1
    url = f"{two[0].url}|{two[1].url}"
    assert failures(url, 1.5, 20) == 1
    assert two[0].asked == 1
    assert failures(url, 0.05, 20) > 1


def test_where_all_are_away_it_says_so(send):
    with pytest.raises(Unavailable, match="Nothing answers at"):
        send(f"{NOBODY}|http://127.0.0.1:10", READ, 1, True)


def info(*addresses: str) -> list[tuple[object, ...]]:
    return [(None, None, None, "", (address, 8002)) for address in addresses]


def test_one_name_with_several_addresses_is_several_replicas_and_follows_its_changes():
    now = [0.0]
    replicas = Replicas("http://embedder:8002", lambda: now[0])
    assert replicas.lookups() == [("embedder", 8002)]
    among = replicas.found([info("10.0.0.1", "10.0.0.2")])
    chosen = [replicas.next(among, set()) for _ in range(4)]
    assert sorted(one.address for one in chosen if one) == ["10.0.0.1"] * 2 + ["10.0.0.2"] * 2
    sent = chosen[0].request(httpx.Request("GET", "http://embedder:8002/ready"))
    assert sent.url.host == chosen[0].address
    assert sent.headers["Host"] == "embedder:8002"
    now[0] += 60
    assert replicas.fresh is None
    assert [one.address for one in replicas.found([info("10.0.0.3")])] == ["10.0.0.3"]
    # Where the name server is away, those of before go on.
    assert [one.address for one in replicas.found([OSError("away")])] == ["10.0.0.3"]


def test_one_that_was_dropped_is_probed_by_one_request_and_taken_back():
    now = [0.0]
    replicas = Replicas("http://one:1", lambda: now[0])
    first, second = among = replicas.found([info("10.0.0.1", "10.0.0.2")])
    replicas.drop(first)
    assert {replicas.next(among, set()) for _ in range(5)} == {second}
    now[0] += 60
    assert replicas.next(among, set()) == first
    # It is the probe; the second, busier as it is, takes the others.
    assert replicas.next(among, set()) == second
    replicas.keep(first)
    assert replicas.next(among, set()) == first


def test_where_all_were_dropped_they_are_asked_all_the_same():
    replicas = Replicas("http://one:1", lambda: 0.0)
    first, second = among = replicas.found([info("10.0.0.1", "10.0.0.2")])
    replicas.drop(first)
    replicas.drop(second)
    tried: set[object] = set()
    assert {replicas.next(among, tried), replicas.next(among, tried)} == {first, second}
    assert replicas.next(among, tried) is None
