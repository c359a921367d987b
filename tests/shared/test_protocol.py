"""What a client may send before it has said what it wants: over raw sockets, to a real server."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from shared.core.settings import ServiceSettings
from shared.web import protocol, running
from shared.web.keys import Scope
from shared.web.scoped import ScopedRoute, needs

MIB = 1024 * 1024


ASK = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@contextmanager
def served(app: FastAPI, **settings: Any) -> Iterator[int]:
    """The port where an app is served as our services are."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
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


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    with served(app) as found:
        yield found


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def read(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """The status and the document of the answer, up to the end of the connection."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def send(connection: socket.socket, *parts: bytes) -> None:
    """Send as much as is taken: who is refused may not get rid of the rest."""
    try:
        for part in parts:
            connection.sendall(part)
    except (BrokenPipeError, ConnectionResetError):
        pass


def exchange(port: int, *parts: bytes) -> tuple[int, dict[str, Any]]:
    with connect(port) as connection:
        send(connection, *parts)
        return read(connection)


def is_alive(port: int) -> bool:
    return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=120).is_success


LARGE = [b"x" * MIB] * 240


@pytest.mark.parametrize(
    ("status", "parts"),
    [
        pytest.param(431, [ASK + b"X: ", *LARGE], id="one header of 240 MiB"),
        pytest.param(431, [ASK, *[b"X: " + b"x" * 1000 + b"\r\n"] * 70], id="many headers"),
        pytest.param(431, [ASK, *[b"a:\r\n"] * 300], id="many empty headers"),
        pytest.param(431, [ASK, b"x" * 70_000], id="the name of a header"),
        pytest.param(
            431, [ASK + b"X: " + b"x" * 66_000 + b"\r\n\r\n"], id="a whole head in one piece"
        ),
        pytest.param(414, [b"GET /", *LARGE[:1]], id="the first line"),
        pytest.param(414, [b"GET /?" + b"x" * 40_000 + b" HTTP/1.1\r\n"], id="a query string"),
        pytest.param(400, [b"no HTTP\r\n\r\n"], id="what is no request"),
    ],
)
def test_a_head_over_its_bound_is_refused_with_a_problem_document(port, status, parts):
    answered, problem = exchange(port, *parts)
    assert (answered, problem["status"]) == (status, status)
    assert problem["detail"].endswith(".")
    assert is_alive(port)


def test_the_head_of_a_second_request_has_the_same_bound(port):
    with connect(port) as connection:
        connection.sendall(ASK + b"\r\n")
        while b"alive" not in connection.recv(65536):
            pass
        send(connection, ASK + b"X: ", *LARGE[:2])
        assert read(connection)[0] == 431


def test_trailers_of_a_body_have_the_same_bound(port):
    started = time.process_time()
    chunked = (
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: "
    )
    with connect(port) as connection:
        send(connection, chunked, *LARGE[:64])
        connection.settimeout(30)
        # The request was accepted before: there may be no answer, but there is an end.
        while connection_goes_on(connection):
            pass
    assert time.process_time() - started < 20
    assert is_alive(port)


def connection_goes_on(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(65536))
    except ConnectionResetError:
        return False


@pytest.mark.parametrize("spread", [1, 7, 4096])
def test_a_head_just_within_the_bounds_is_answered_however_it_is_parted(port, spread):
    head = ASK + b"X: " + b"x" * 60_000 + b"\r\nConnection: close\r\n\r\n"
    with connect(port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first, rest = head[: 40 * spread], head[40 * spread :]
        for start in range(0, len(first), spread):
            connection.sendall(first[start : start + spread])
        connection.sendall(rest)
        assert read(connection) == (200, {"status": "alive"})


def test_a_large_body_and_requests_behind_each_other_are_as_before(port):
    body = b"x" * (8 * MIB)
    first = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    with connect(port) as connection:
        connection.sendall(first + body + (ASK + b"\r\n") * 3)
        connection.sendall(ASK + b"Connection: close\r\n\r\n")
        received = b""
        while part := connection.recv(65536):
            received += part
    assert received.count(b"200 OK") == 5
    assert b'{"bytes":%d}' % len(body) in received


def test_a_body_of_many_small_chunks_is_taken(port):
    def chunks() -> Iterator[bytes]:
        for _ in range(20_000):
            yield b"ab"

    answer = httpx.post(
        f"http://127.0.0.1:{port}/echo", content=chunks(), trust_env=False, timeout=60
    )
    assert answer.json() == {"bytes": 40_000}


@pytest.mark.parametrize("sent", [b"", b"GET /he", ASK, b"\r\n"])
def test_a_head_that_does_not_come_in_time_ends_its_connection(port, monkeypatch, sent):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    status, problem = exchange(port, sent)
    assert (status, problem["status"]) == (408, 408)


def test_more_bytes_do_not_prolong_the_time_of_a_head(port, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with connect(port) as connection:
        connection.sendall(ASK)
        deadline = time.monotonic() + 120
        connection.settimeout(0.05)
        received = b""
        while time.monotonic() < deadline and not received:
            send(connection, b"X: a\r\n")
            try:
                received = connection.recv(65536)
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408 ")


def refusing() -> FastAPI:
    app = FastAPI()
    app.post("/no")(lambda: JSONResponse({"detail": "no"}, 401))
    return app


def test_the_rest_of_a_body_that_was_refused_may_not_come_for_ever(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    with served(refusing()) as port, connect(port) as connection:
        connection.sendall(b"POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        received = connection.recv(65536)
        deadline = time.monotonic() + 120
        connection.settimeout(0.05)
        ended = False
        while time.monotonic() < deadline and not ended:
            send(connection, b"x")
            try:
                part = connection.recv(65536)
            except TimeoutError:
                continue
            except ConnectionResetError:
                part = b""
            received, ended = received + part, not part
    assert ended
    # One answer to one request.
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_connection_stays_after_the_rest_of_a_body_that_was_refused(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with served(refusing()) as port, connect(port) as connection:
        for _ in range(2):
            connection.sendall(b"POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n")
            assert b" 401 " in connection.recv(65536)
            connection.sendall(b"x" * 90_000)
            # It is idle, and not in the middle of a head.
            connection.settimeout(0.8)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.settimeout(60)


@pytest.mark.parametrize("protocol_name", [b"h2c", b"websocket"])
def test_one_that_asks_for_another_protocol_is_answered_in_this_one(port, protocol_name):
    upgrade = b"Connection: Upgrade\r\nUpgrade: " + protocol_name + b"\r\n\r\n"
    with connect(port) as connection:
        connection.sendall(ASK + upgrade)
        received = connection.recv(65536)
    assert b" 200 " in received.split(b"\r\n")[0]


def test_an_answer_that_takes_longer_than_a_head_may_is_waited_for(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    app, go_on = FastAPI(), threading.Event()

    @app.get("/slow")
    def slow() -> str:
        go_on.wait(120)
        return "done"

    with served(app) as port, connect(port) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /sl")
        time.sleep(0.5)
        go_on.set()
        assert b"done" in connection.recv(65536)


@contextmanager
def few_places(monkeypatch: pytest.MonkeyPatch, app: FastAPI, most: int) -> Iterator[int]:
    monkeypatch.setattr(running, "places", lambda: most)
    with served(app) as port:
        yield port


@pytest.mark.parametrize("sent", [b"", ASK], ids=["nothing", "half a head"])
def test_health_answers_while_one_client_opens_as_many_connections_as_it_likes(
    port, raised_limit, sent
):
    with ExitStack() as stack:
        for _ in range(2_300):
            send(stack.enter_context(connect(port)), sent)
        assert is_alive(port)


@pytest.fixture
def raised_limit() -> Iterator[None]:
    """Descriptors for both ends of many connections."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 6_000:
        pytest.skip(f"needs 6,000 descriptors; this user may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 6_000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_where_all_places_work_a_new_connection_is_told_so_and_none_is_cut(monkeypatch):
    app, go_on, working = FastAPI(), threading.Event(), threading.Semaphore(0)

    @app.get("/slow")
    def slow() -> str:
        working.release()
        go_on.wait(60)
        return "done"

    with few_places(monkeypatch, app, 4) as port, ExitStack() as stack:
        busy = [stack.enter_context(connect(port)) for _ in range(2)]
        for one in busy:
            one.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            assert working.acquire(timeout=120)
        status, problem = exchange(port, b"")
        assert (status, problem["status"]) == (503, 503)
        go_on.set()
        assert all(b"done" in one.recv(65536) for one in busy)


@pytest.mark.parametrize(
    ("trusted", "told"),
    [([], "127.0.0.1"), (["127.0.0.1"], "203.0.113.7"), (["10.0.0.0/8"], "127.0.0.1")],
)
def test_a_forwarded_address_is_believed_from_a_trusted_proxy_alone(
    service: Callable[..., FastAPI], trusted: list[str], told: str
):
    app = service()

    router = APIRouter(route_class=ScopedRoute)

    @router.get("/me")
    @needs(Scope.READ)
    def me(request: Request) -> str:
        return request.client.host

    app.include_router(router)
    with served(app, trusted_proxies=trusted) as port:
        answer = httpx.get(
            f"http://127.0.0.1:{port}/me",
            headers={"X-Forwarded-For": "203.0.113.7"},
            trust_env=False,
        )
    assert answer.json() == told
