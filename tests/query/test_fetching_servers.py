"""Pictures by URL from real servers, over sockets and TLS.

Loopback is no public address, so names are looked up as public ones, and the connections that then
are made to these lead to servers of the test: nothing of the fetcher itself is replaced.
"""

import asyncio
import ipaddress
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
from httpcore._backends.auto import AutoBackend

from shared.core.errors import BadImage, Forbidden, TooLarge
from shared.media.fetching import Fetcher

NAME, OTHER, INNER = "pictures.example", "cdn.example", "inner.example"
ADDRESSES = {NAME: ["93.184.216.34"], OTHER: ["93.184.216.35"], INNER: ["10.0.0.7"]}
LIMIT = 100_000


class Server(ThreadingHTTPServer):
    """Keeps what it was asked, and how much it could send."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, str]] = []
        self.sent = 0
        self.gone = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        host = self.headers["Host"]
        self.server.asked.append((host, self.path, self.headers.get("Cookie", "")))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.send_header("Set-Cookie", "a=b")
            self.end_headers()
        elif self.path == "/endless":
            self._stream(b"x" * 10_000, pause=0)
        elif self.path == "/slow":
            self._stream(b"x", pause=0.05)
        elif self.path == "/packed":
            self._answer(b"\x1f\x8b packed", [("Content-Encoding", "gzip")])
        else:
            self._answer(b"picture", [])

    def _answer(self, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.send_response(200)
        for header in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, block: bytes, pause: float) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while self.server.sent < 100 * LIMIT:
                self.wfile.write(block)
                self.server.sent += len(block)
                time.sleep(pause)
        except OSError:
            self.server.gone.set()

    def log_message(self, *_: object) -> None:
        """Not to the test's output."""


@contextmanager
def _running(certificate: Path | None = None) -> Iterator[Server]:
    server = Server()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with _running() as server:
        yield server


class Detour(httpcore.AsyncNetworkBackend):
    """Connections to public addresses lead to the test's server, and are noted."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connected: list[tuple[str, int]] = []
        self._plain = AutoBackend()

    async def connect_tcp(
        self, host: str, port: int, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        assert ipaddress.ip_address(host)
        self.connected.append((host, port))
        return await self._plain.connect_tcp("127.0.0.1", self.port, **options)

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


class Way:
    """A fetcher whose public addresses are the test's server."""

    def __init__(self, server: Server, trust: ssl.SSLContext | None = None) -> None:
        self.detour = Detour(server.server_address[1])
        self._trust = trust
        self.looked_up: list[str] = []

    async def _resolve(self, host: str, _: int) -> list[str]:
        self.looked_up.append(host)
        return ADDRESSES[host]

    def get(self, url: str, seconds: float = 20) -> bytes:
        async def fetched() -> bytes:
            transport = _Lasting(verify=self._trust or True)
            transport._pool = httpcore.AsyncConnectionPool(
                ssl_context=self._trust, network_backend=self.detour, max_keepalive_connections=0
            )
            fetcher = Fetcher(["*.example"], LIMIT, seconds, self._resolve, transport)
            return await fetcher.get(url)

        return asyncio.run(fetched())


class _Lasting(httpx.AsyncHTTPTransport):
    """Redirects open a client each, over the one transport of the test."""

    async def __aexit__(self, *_: object) -> None: ...


def test_a_picture_is_fetched_from_the_address_that_was_checked(server: Server) -> None:
    way = Way(server)
    assert way.get(f"http://{NAME}/a.jpg?b=c") == b"picture"
    assert way.detour.connected == [("93.184.216.34", 80)]
    assert server.asked == [(NAME, "/a.jpg?b=c", "")]


def test_each_redirect_goes_to_an_address_that_was_checked_itself(server: Server) -> None:
    way = Way(server)
    assert way.get(f"http://{NAME}/to/http://{OTHER}/b.jpg") == b"picture"
    assert way.detour.connected == [("93.184.216.34", 80), ("93.184.216.35", 80)]
    assert [(host, cookie) for host, _, cookie in server.asked] == [(NAME, ""), (OTHER, "")]


@pytest.mark.parametrize(
    "target",
    [
        f"http://{INNER}/",
        "http://127.0.0.1/",
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::ffff:127.0.0.1]/",
        f"http://{NAME}:8001/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "http://elsewhere.org/",
    ],
)
def test_no_redirect_leads_within(server: Server, target: str) -> None:
    way = Way(server)
    with pytest.raises(Forbidden):
        way.get(f"http://{NAME}/to/{target.format(port=server.server_address[1])}")
    assert len(server.asked) == 1
    assert way.detour.connected == [("93.184.216.34", 80)]


def test_a_file_without_end_is_left_at_the_limit(server: Server) -> None:
    with pytest.raises(TooLarge):
        Way(server).get(f"http://{NAME}/endless")
    # The server sees that it's alone: nothing reads on.
    assert server.gone.wait(120)
    assert server.sent < 100 * LIMIT


def test_a_server_that_drips_is_left_in_time(server: Server) -> None:
    with pytest.raises(BadImage, match="ISE_FETCH_SECONDS"):
        Way(server).get(f"http://{NAME}/slow", seconds=0.3)
    assert server.gone.wait(120)


def test_what_is_packed_is_not_unpacked(server: Server) -> None:
    assert Way(server).get(f"http://{NAME}/packed") == b"\x1f\x8b packed"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"),
            *("-keyout", file, "-out", file.with_suffix(".cert")),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    with file.open("ab") as both:
        both.write(file.with_suffix(".cert").read_bytes())
    return file


def test_over_tls_the_certificate_must_be_that_of_the_name(certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=str(certificate.with_suffix(".cert")))
    with _running(certificate) as server:
        assert Way(server, trust).get(f"https://{NAME}/") == b"picture"
        with pytest.raises(BadImage, match="certificate"):
            Way(server, trust).get(f"https://{OTHER}/")
        with pytest.raises(BadImage, match="certificate"):
            Way(server, ssl.create_default_context()).get(f"https://{NAME}/")
        assert [host for host, _, _ in server.asked] == [NAME]
