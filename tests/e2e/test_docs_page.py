"""`/docs` in a real browser that reaches nothing but the service: it renders, and it works."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from services.query.app import create_app
from services.query.config import QuerySettings
from tests.e2e.engine import Engine
from tests.indexer.running import serving


def tried_out(page: Page, operation: str) -> Locator:
    """An operation, opened to be tried out."""
    block = page.locator(f"#operations-{operation}")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    return block


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser complains of, such as what the page's policy forbids."""
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(message.text)

    page.on("console", listen)
    yield said
    page.remove_listener("console", listen)


def expect_status(block: Locator, status: int) -> None:
    answered = block.locator(".live-responses-table .response-col_status")
    expect(answered.last).to_contain_text(str(status))


@pytest.mark.parametrize(
    "name",
    [
        "query",
        pytest.param("indexer", marks=pytest.mark.slow),
        pytest.param("embedder", marks=pytest.mark.slow),
    ],
)
def test_it_renders_and_asks_nobody_else(
    page: Page, engine: Engine, complaints: list[str], name: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    base = engine.group.url(name)
    page.goto(f"{base}/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    expect(page.locator(".info .title")).to_contain_text(name)
    assert [url for url in asked if not url.startswith((base, "data:", "blob:"))] == []
    assert complaints == []


@pytest.mark.slow
def test_a_search_by_upload_is_tried_out(
    page: Page, engine: Engine, complaints: list[str], sample: Path
) -> None:
    picture = next(sample.parent.glob("castle-*.jpg"))
    page.goto(f"{engine.group.url('query')}/docs")
    block = tried_out(page, "search-search_by_image")
    block.locator("input[type=file]").set_input_files(picture)
    block.get_by_role("button", name="Execute").click()
    expect_status(block, 200)
    expect(block.locator(".live-responses-table")).to_contain_text(picture.name)
    assert complaints == []


def test_a_search_by_term_is_tried_out(page: Page, engine: Engine) -> None:
    page.goto(f"{engine.group.url('query')}/docs")
    block = tried_out(page, "search-search_by_term")
    block.locator("tr[data-param-name=term] input").fill("castle")
    block.get_by_role("button", name="Execute").click()
    expect_status(block, 200)
    expect(block.locator(".live-responses-table")).to_contain_text('"mode": "tag"')


@pytest.mark.slow
def test_a_key_is_given_by_authorize(context: BrowserContext, tmp_path: Path) -> None:
    settings = QuerySettings(_env_file=None, data_dir=tmp_path, api_key="the-key")
    with serving(create_app(settings)) as url:
        page = context.new_page()
        page.goto(f"{url}/docs")
        block = tried_out(page, "collection-get_stats")
        block.get_by_role("button", name="Execute").click()
        expect_status(block, 401)
        expect(block.locator(".live-responses-table")).to_contain_text("ISE_API_KEY")

        page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".modal-ux")
        dialog.get_by_role("textbox").fill("the-key")
        dialog.get_by_role("button", name="Apply credentials").click()
        dialog.get_by_role("button", name="Close").last.click()

        block.get_by_role("button", name="Execute").click()
        expect_status(block, 200)
        expect(block.locator(".live-responses-table")).to_contain_text('"images": 0')
        page.close()


@pytest.mark.slow
def test_an_error_is_shown_by_its_own_example(page: Page, engine: Engine) -> None:
    page.goto(f"{engine.group.url('query')}/docs")
    block = page.locator("#operations-images-get_image")
    block.locator(".opblock-summary-control").click()
    example = block.locator("tr.response[data-code='404'] pre.example")
    expect(example).to_contain_text("There is no image")
