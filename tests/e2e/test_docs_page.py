"""`/docs` in a real browser that reaches nothing but the service: it renders, and it works."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.engine import Engine


@pytest.mark.parametrize("name", ["query", "indexer", "embedder"])
def test_it_renders_and_asks_nobody_else(page: Page, engine: Engine, name: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    base = engine.group.url(name)
    page.goto(f"{base}/docs")
    expect(page.locator(".opblock").first).to_be_visible()
    expect(page.locator(".info .title")).to_contain_text(name)
    assert [url for url in asked if not url.startswith((base, "data:", "blob:"))] == []


def test_a_search_by_upload_is_tried_out(page: Page, engine: Engine, sample: Path) -> None:
    picture = next(sample.parent.glob("castle-*.jpg"))
    page.goto(f"{engine.group.url('query')}/docs")
    block = page.locator(".opblock", has_text="/v1/search/image")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.locator("input[type=file]").set_input_files(picture)
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("200")
    expect(answer).to_contain_text(picture.name)


def test_a_search_by_term_is_tried_out(page: Page, engine: Engine) -> None:
    page.goto(f"{engine.group.url('query')}/docs")
    block = page.locator("#operations-search-search_by_term")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.locator("tr[data-param-name=term] input").fill("castle")
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("200")
    expect(answer).to_contain_text('"mode": "tag"')
