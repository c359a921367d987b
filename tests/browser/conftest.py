"""A real browser, and a stand-in for the query service."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.drawing import draw_all
from tests.browser.stand_in import Picture, StandIn, create_app
from tests.e2e.conftest import pytest_runtest_makereport
from tests.e2e.engine import find_chromium

__all__ = ["pytest_runtest_makereport"]


@dataclass
class Visit:
    """A browser page, with what it complained of and whom it asked beside its own host."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        host = urlsplit(url).netloc
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("blob:", "data:"))
                or urlsplit(request.url).netloc == host
                else self.foreign.append(request.url)
            ),
        )
        self.page.goto(url)
        return self.page

    def forgive(self, reason: str) -> None:
        """Takes away the browser's own notes on answers that a test provoked."""
        noted = [c for c in self.complaints if c.startswith("Failed to load resource")]
        assert noted
        assert all(reason in complaint for complaint in noted), noted
        self.complaints[:] = [c for c in self.complaints if c not in noted]

    def _on_console(self, message: object) -> None:
        text, kind = getattr(message, "text", ""), getattr(message, "type", "")
        if kind in ("error", "warning"):
            self.complaints.append(text)


Start = Callable[..., StandIn]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts stand-ins on free ports and ends them after the test."""
    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def run(pictures: Sequence[Picture], key: str | None = None) -> StandIn:
        stand_in = StandIn(pictures)
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            create_app(stand_in, key), log_level="error", lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((server, thread, listener))
        stand_in.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        return stand_in

    yield run
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(timeout=60)
        listener.close()


@pytest.fixture(scope="session")
def pictures() -> list[Picture]:
    return draw_all()


@pytest.fixture
def many(pictures: list[Picture]) -> Callable[[int], list[Picture]]:
    """Makes as many pictures, all suns, out of a few."""

    def make(count: int) -> list[Picture]:
        suns = [p for p in pictures if "sun" in p.tags]
        return [
            replace(suns[n % len(suns)], id=f"sun-{n:05d}", uri=f"drawn/sun-{n:05d}.jpg")
            for n in range(count)
        ]

    return make


@pytest.fixture
def stand_in(start: Start, pictures: list[Picture]) -> StandIn:
    return start(pictures)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a file; a visit has a context of its own."""
    path = find_chromium()
    if path is None:
        pytest.skip("needs Chromium: `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, start: Start) -> Iterator[Visit]:
    """A fresh visit. A test that provokes no failure must leave no complaint behind.

    It ends before the servers do, hence `start`.
    """
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(30_000)
    visit = Visit(context.new_page())
    yield visit
    context.close()
    assert visit.foreign == []
    assert visit.complaints == []
