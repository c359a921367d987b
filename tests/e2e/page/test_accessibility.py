"""axe-core over every view of the page, light and dark: nothing serious."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.engine import Engine
from tests.e2e.page.conftest import ServeQuery, Visitor


def _empty(page: Page) -> None:
    expect(page.locator(".tile img.here").first).to_be_visible()


def _results(page: Page) -> None:
    box = page.get_by_role("combobox")
    box.fill("castle")
    box.press("Enter")
    expect(page.locator("main img").first).to_be_visible()


def _hit(page: Page) -> None:
    _results(page)
    page.locator("#results .hit a").first.click()
    large = page.get_by_role("dialog")
    large.get_by_role("button", name="Why this?").click()
    page.locator("canvas.heat").first.wait_for()


def _unknown(page: Page) -> None:
    box = page.get_by_role("combobox")
    box.fill("qzxwv")
    box.press("Enter")
    expect(page.get_by_text("word2vec doesn't know it").first).to_be_visible()


def _collection(page: Page) -> None:
    page.get_by_role("link", name="Manage").click()
    expect(page.get_by_role("listitem").filter(has_text="In use")).to_be_visible()
    for summary in page.locator("summary").all():
        summary.click()
    page.locator("#add-files").set_input_files(
        {"name": "some.png", "mimeType": "image/png", "buffer": b"none"}
    )
    expect(page.get_by_role("button", name="Add 1 file")).to_be_visible()


VIEWS = {
    "empty": _empty,
    "results": _results,
    "hit": _hit,
    "unknown": _unknown,
    "collection": _collection,
}


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_serious(visitor: Visitor, engine: Engine, view: str, scheme: str) -> None:
    visitor.refusals = view == "unknown"
    page = visitor.open(engine.group.url("query"), color_scheme=scheme, reduced_motion="reduce")
    VIEWS[view](page)
    assert serious(page) == []


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", ["", "/manage"])
def test_nothing_serious_where_a_service_is_down(
    visitor: Visitor, serve_query: ServeQuery, path: str, scheme: str
) -> None:
    visitor.refusals = True
    nowhere = "http://127.0.0.1:9"
    url = serve_query(indexer_url=nowhere, embedder_url=nowhere) + (path or "/?term=qzxwv")
    page = visitor.open(url, color_scheme=scheme, reduced_motion="reduce")
    unavailable = page.get_by_role("heading", name="Unavailable")
    expect(unavailable.or_(page.get_by_role("alert")).first).to_be_visible()
    expect(page.locator("#paused")).to_be_visible()
    assert serious(page) == []


def test_nothing_serious_in_a_question(visitor: Visitor, serve_query: ServeQuery) -> None:
    visitor.refusals = True
    page = visitor.open(f"{serve_query(api_key='k')}/manage")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert serious(page) == []


def serious(page: Page) -> list[str]:
    """What axe-core calls serious or critical, each with where it is."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
