"""The page's views over real services, in a real browser."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from demo.sample import draw_sample
from services.query.app import create_app
from services.query.config import QuerySettings
from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.engine import Engine, find_chromium
from tests.indexer.running import serving

ServeQuery = Callable[..., str]


@pytest.fixture
def serve_query(engine: Engine) -> Iterator[ServeQuery]:
    """Starts one more query service, with settings of its own, over the engine's collection."""
    with ExitStack() as stack:

        def serve(**settings: Any) -> str:
            given = {
                "data_dir": engine.data_dir,
                "indexer_url": engine.group.url("indexer"),
                "embedder_url": engine.group.url("embedder"),
            }
            return stack.enter_context(
                serving(create_app(QuerySettings(_env_file=None, **{**given, **settings})))
            )

        yield serve


Launch = Callable[..., Browser]


@pytest.fixture(scope="module")
def launch() -> Iterator[Launch]:
    """Starts Chromium with options of its own."""
    path = find_chromium()
    if path is None:
        pytest.skip("needs Chromium: `apt-get install chromium`")
    with sync_playwright() as playwright:
        yield lambda *options: playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", *options]
        )


@pytest.fixture(scope="module")
def browser(launch: Launch) -> Iterator[Browser]:
    """One for all tests of a file; a visitor opens pages with contexts of their own."""
    browser = launch()
    yield browser
    browser.close()


@dataclass
class Visitor:
    """Opens pages, and keeps what they complained of and whom they asked beside their own host."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    refusals: bool = False
    """Whether bad statuses are expected, which Chromium itself complains of."""
    _opened: list[Page] = field(default_factory=list)

    def open(self, url: str, **context: Any) -> Page:
        page = self.browser.new_page(**context)
        page.set_default_timeout(PATIENCE_MS)
        self._opened.append(page)
        host = urlsplit(url).netloc

        def asked(address: str) -> None:
            if not address.startswith(("blob:", "data:")) and urlsplit(address).netloc != host:
                self.foreign.append(address)

        def said(message: ConsoleMessage) -> None:
            refused = message.text.startswith("Failed to load resource")
            if message.type in ("error", "warning") and not (refused and self.refusals):
                self.complaints.append(message.text)

        page.on("console", said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: asked(request.url))
        page.goto(url)
        return page

    def close(self) -> None:
        for page in self._opened:
            page.close()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Opens pages in one browser. Afterwards, none may have complained or asked elsewhere."""
    visitor = Visitor(browser)
    yield visitor
    visitor.close()
    assert visitor.foreign == []
    assert visitor.complaints == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of drawn pictures, and one that is none."""
    pictures = tmp_path / "pictures"
    draw_sample(pictures, count=12, seed=77)
    (pictures / "manifest.csv").unlink()
    (pictures / "broken.jpg").write_bytes(b"no picture")
    return pictures
