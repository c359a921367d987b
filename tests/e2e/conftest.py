"""Real services as processes, over HTTP, on real files."""

import os
import random
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from demo.sample import draw_sample
from tests.e2e.engine import REFERENCE, Engine, find_chromium, running
from tests.postgres import postgres

__all__ = ["postgres"]

Start = Callable[..., AbstractContextManager[Engine]]

# A machine that does something else besides may well need more than the 5 seconds of the default,
# and those who click than the 30.
PATIENCE_MS = 120_000
expect.set_options(timeout=PATIENCE_MS)

# A function: the page's policy lets no expression be evaluated a second time.
SHOWN = "() => [...document.querySelectorAll('main img')].some((i) => i.naturalWidth > 0)"
"""Whether a picture of the page's own is drawn."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ISE_REQUIRE_ALL, a test that is skipped for want of a program has failed.

    The reference data and a container engine are not asked for: not every machine can have them.
    """
    report = yield
    if os.environ.get("ISE_REQUIRE_ALL") and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr)
        if not any(optional in reason for optional in ("ISE_REFERENCE_DATA", "container engine")):
            report.outcome = "failed"
            report.longrepr = f"ISE_REQUIRE_ALL is set, but this was skipped: {reason}"
    return report


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts the services on this test's data folder: `with start(ISE_X="y") as engine`."""
    return lambda **env: running(tmp_path / "data", tmp_path / "logs", **env)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a drawn collection."""
    return draw_sample(tmp_path_factory.mktemp("sample"), count=160, seed=3)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Engine]:
    """Services that have the drawn collection. Tests that change it put it back."""
    folder = tmp_path_factory.mktemp("engine")
    with running(folder / "data", folder / "logs") as running_engine:
        running_engine.ingest(sample, clusters=8)
        yield running_engine


@pytest.fixture(scope="session")
def reference() -> Path:
    if not REFERENCE.is_dir():
        pytest.skip(f"the reference data is not at {REFERENCE}; ISE_REFERENCE_DATA names it")
    return REFERENCE


@pytest.fixture(scope="session")
def photos(reference: Path) -> list[Path]:
    """2,500 real photos; the folder of each is its tag."""
    return sorted((reference / "photos" / "caltech101").glob("*/*.jpg"))


@pytest.fixture
def shuffled(photos: list[Path]) -> list[Path]:
    return random.Random(1).sample(photos, len(photos))


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    """A real browser that may ask loopback only."""
    path = find_chromium()
    if path is None:
        pytest.skip("needs Chromium: `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1200, "height": 2000})
        context.set_default_timeout(PATIENCE_MS)
        context.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
        yield context
        browser.close()


@pytest.fixture(scope="module")
def page(context: BrowserContext, engine: Engine) -> Page:
    """A page of it, while the services that have the drawn collection run."""
    return context.new_page()
